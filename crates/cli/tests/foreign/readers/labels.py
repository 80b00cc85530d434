"""Timecode labels of SMPTE ST 12-1 as frames since midnight, and addresses of files as paths."""

import re
from urllib.parse import unquote, urlsplit

LABEL = re.compile(r"(\d\d)[:.](\d\d)[:.](\d\d)[:;.](\d\d)")


def frame(label, rate, drop):
    """The frame that a label counts; `rate` is a Fraction."""
    hours, minutes, seconds, frames = map(int, LABEL.fullmatch(label).groups())
    nominal = -(-rate.numerator // rate.denominator)
    skipped = nominal // 15 if drop else 0
    minutes += 60 * hours
    if skipped and seconds == 0 and frames < skipped and minutes % 10:
        raise ValueError(f"{label} does not exist")
    return (minutes * 60 + seconds) * nominal + frames - skipped * (minutes - minutes // 10)


def path(url):
    """The path of a `file:` address, or of a relative one."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise ValueError(f"no address of a file: {url}")
    return unquote(parts.path, errors="strict")
