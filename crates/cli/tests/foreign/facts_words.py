"""How a judge of `seedpost probe` says what it knows of a file: facts by the names that `probe` gives them.

A fact that is not there is one that the judge cannot tell; None is one that it says is not there; a function, made
here, is one that it tells up to its own rounding.
"""


def close(value, tolerance):
    """A number that may be off by so much."""
    return described(lambda found: abs(found - value) <= tolerance, f"{value} ± {tolerance}")


def between(least, most):
    return described(lambda found: least <= found <= most, f"{least} to {most}")


def one_of(*values):
    return described(lambda found: found in values, f"one of {values}")


def described(judge, text):
    judge.text = text
    return judge


def text(rate):
    """A frame rate as `probe` writes it."""
    return f"{rate.numerator}/{rate.denominator}" if rate.denominator > 1 else str(rate.numerator)


def under(name, facts):
    return {f"{name}.{fact}": value for fact, value in facts.items()}
