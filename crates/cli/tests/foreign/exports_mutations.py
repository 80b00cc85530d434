"""Shows that the comparison is not blind: where a model or its losses are spoilt, some reader must disagree.

Each thing of a kind is spoilt in each of its fields, for each form that has not declared it lost; things are dropped;
declared losses are taken away one at a time; and losses that are none are declared. The exports stay as they are.
"""

import copy

from exports_compare import answer, check_form
from exports_losses import ALL, Losses
from exports_model import KINDS, NAME, PLURALS, rows_of_model

# Of so many losses of a form, this many are taken away, one at a time.
MOST = 25


def self_test(folder, form, readers, tally):
    """Yields what nobody noticed."""
    if not readers:
        return
    answers = {reader.name: answer(folder, form, reader) for reader in readers}
    declared = folder.losses_of(form)

    def told(model, losses):
        return list(check_form(form, readers, answers, Losses(losses, rows_of_model(model, folder.prefix))))

    before = told(folder.model, declared)
    unreadable = Losses(declared, rows_of_model(folder.model, folder.prefix)).unreadable()
    for what, model, losses in spoilt(folder, declared):
        # Of a form that says that nobody reads it, only this can be noticed.
        if unreadable and what != "no loss of cut 'all': event":
            continue
        tally.spoilt[form] += 1
        if told(model, losses) == before:
            yield f"{form}: nobody noticed: {what}"


def spoilt(folder, declared):
    """What was done, the model, the losses: one at a time."""
    losses = Losses(declared, rows_of_model(folder.model, folder.prefix))
    for kind, field, spoil in SPOILING:
        model = copy.deepcopy(folder.model)
        pairs = zip(things_of(model, kind), losses.rows[kind])
        things = [thing for thing, row in pairs if stands(losses, kind, row, field)]
        if things:
            thing = things[len(things) // 2]
            spoil(thing)
            yield f"{kind}: another {field}", model, declared
    for kind in ("clip", "stem", "marker", "cue"):
        model = copy.deepcopy(folder.model)
        rows = [number for number, row in enumerate(losses.rows[kind]) if stands(losses, kind, row, NAME[kind])]
        if rows:
            drop(model, kind, rows[len(rows) // 2])
            yield f"{kind}: one dropped", model, declared
    step = max(1, len(declared) // MOST)
    for number in range(0, len(declared), step):
        loss = declared[number]
        what = f"no loss of {loss['of']} {loss['name']!r}: {loss['field']}"
        yield what, folder.model, [*declared[:number], *declared[number + 1:]]
    yield from (("a false loss: " + what, folder.model, [*declared, loss]) for what, loss in false_losses(losses))


def stands(losses, kind, row, field):
    """Whether a row stands in the file with this field as the model has it, and with its name."""
    expected = next((one for one in losses.expected(kind) if one.model is row), None)
    return expected is not None and not expected.absent and not {field, NAME[kind]} & set(expected.lost)


def false_losses(losses):
    """Each field, and all of it, of the kinds of which nothing of the sort is declared."""
    declared = {(loss["of"], loss["field"]) for loss in losses.losses}
    words = {"cue": ["text", "beeps", "event"], "cut": ["name", "start"]}
    for kind, names in KINDS.items():
        fields = words.get(kind) or [name for name in names if name != "frame"] + ["event"]
        for field in fields:
            if losses.rows[kind] and not {(kind, field), (kind, "event")} & declared:
                loss = {"format": "", "of": kind, "name": ALL, "field": field, "why": ""}
                yield f"{kind}: {field}", loss


def things_of(model, kind):
    if kind == "cut":
        return [model]
    if kind == "stem":
        return [(clip, stem) for clip in model["clips"] for stem in clip["stems"]]
    return model[{kind: plural for plural, kind in PLURALS.items()}[kind]]


def drop(model, kind, number):
    if kind == "stem":
        clip, stem = things_of(model, kind)[number]
        clip["stems"].remove(stem)
    else:
        del things_of(model, kind)[number]


def add(*way):
    """Adds one to a number deep in a thing."""

    def spoil(thing):
        for key in way[:-1]:
            thing = thing[key]
        thing[way[-1]] += 1

    return spoil


def put(value, *way):
    """Puts a text deep in a thing, which was another one."""

    def spoil(thing):
        for key in way[:-1]:
            thing = thing[key]
        thing[way[-1]] = value(thing[way[-1]])

    return spoil


def longer(text):
    return f"{text or ''}x"


def other(*values):
    return lambda value: values[0] if value != values[0] else values[1]


def of_stem(spoil):
    return lambda thing: spoil(thing[1])


def of_clip(spoil):
    return lambda thing: spoil(thing[0])


SPOILING = [
    ("cut", "name", put(longer, "title")),
    ("cut", "start", add("start", "frame")),
    ("clip", "name", put(lambda take: "X" + take, "take")),
    ("clip", "source", add("from")),
    ("clip", "source", add("picture", "start")),
    ("clip", "available", add("picture", "frames")),
    ("clip", "record", add("record_start")),
    ("clip", "record", add("frames")),
    ("clip", "reel", put(longer, "reel")),
    ("clip", "link", put(longer, "picture", "file")),
    ("clip", "lane", put(other("keep", "strip"), "lane")),
    *[("clip", "provenance", put(longer, "provenance", key)) for key in ("provider", "model", "prompt", "request_id")],
    *[("clip", "provenance", put(longer, "provenance", key)) for key in ("cost", "reason", "sha256")],
    ("clip", "provenance", put(other(7, 8), "provenance", "seed")),
    ("stem", "name", of_stem(put(other("REF7", "REF8"), "role"))),
    ("stem", "channels", of_stem(put(other(1, 2), "channels"))),
    ("stem", "source", of_stem(put(lambda samples: samples + 2002, "time_reference"))),
    ("stem", "source", of_clip(add("from"))),
    ("stem", "available", of_clip(add("picture", "frames"))),
    ("stem", "record", of_clip(add("record_start"))),
    ("stem", "link", of_stem(put(longer, "file"))),
    ("marker", "name", put(longer, "name")),
    ("marker", "frame", add("frame")),
    ("marker", "length", add("length")),
    ("marker", "note", put(longer, "note")),
    ("marker", "colour", put(other("RED", "BLUE"), "colour")),
    ("cue", "number", put(longer, "number")),
    ("cue", "character", put(longer, "character")),
    ("cue", "line", put(longer, "line")),
    ("cue", "start", add("record", "start")),
    ("cue", "end", add("record", "end")),
    ("cue", "reason", put(other("moderated", "replace"), "reason")),
    ("cue", "beeps", put(lambda beeps: [7, *beeps], "beeps")),
]
