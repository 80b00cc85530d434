"""The model of a cut as the rows that every reader of its exports is reduced to.

A row is a dict of one thing's fields. `KINDS` says what things have; `rows_of_model` reads the model as seedpost
writes it, and `rows_of_reader` brings a reader's answer to the same form: kind, then rows.
"""

from fractions import Fraction

# The fields that somebody must have looked at, or that must be declared lost.
KINDS = {
    "cut": ["name", "start"],
    "clip": ["name", "track", "channels", "source", "available", "record", "reel", "link", "lane", "provenance"],
    "stem": ["name", "track", "channels", "source", "available", "record", "link"],
    "marker": ["name", "frame", "length", "note", "colour"],
    "cue": ["number", "character", "line", "start", "end", "reason", "beeps"],
}
# Fields that are compared where a reader sees them, and that nobody has to see.
MORE = {
    "cut": ["rate", "drop"],
    "cue": ["priority", "scene", "reel", "note", "take", "character_number"],
}
# What a loss's field takes off, where it is not the field of that name.
LOST = {
    ("cue", "name"): ["number"],
    ("cue", "text"): ["character", "line", "note", "scene"],
}
# The row's key by which losses name a thing.
NAME = {"cut": "name", "clip": "name", "stem": "name", "marker": "name", "cue": "number"}
PLURALS = {"cut": "cut", "clips": "clip", "stems": "stem", "markers": "marker", "cues": "cue"}

# The words on a cue sheet.
REASONS = {
    "no_sound_rendered": "No sound rendered",
    "no_speech_heard": "No speech heard",
    "moderated": "Sound refused by a filter",
    "sync_off": "Out of sync",
    "language": "Wrong language",
    "replace": "Model sound is a guide only",
}
NOBODY = "XX"
NO_LINE = "(no line given)"
OF_THE_SHOT = "times are the whole shot's"


def lost_fields(kind, field):
    """The row's fields that a loss of this field takes off; none where the kind has no such field."""
    known = [*KINDS[kind], *MORE.get(kind, [])]
    return LOST.get((kind, field)) or ([field] if field in known else [])


def rate_of(model):
    return Fraction(model["start"]["rate"])


def rows_of_model(model, prefix=""):
    """Kind, then rows; `prefix` stands before relative paths of media."""
    rate, start = rate_of(model), model["start"]
    cut = {
        "name": model["title"],
        "start": start["frame"],
        "rate": f"{rate.numerator}/{rate.denominator}",
        "drop": start["drop"],
    }
    clips, stems = model["clips"], []
    for clip in clips:
        stems += [stem_row(clip, stem, rate, prefix) for stem in clip["stems"]]
    return {
        "cut": [cut],
        "clip": [clip_row(clip, prefix) for clip in clips],
        "stem": stems,
        "marker": [marker_row(marker) for marker in model["markers"]],
        "cue": [cue_row(cue) for cue in model["cues"]],
    }


def clip_row(clip, prefix):
    picture = clip["picture"]
    return {
        "name": clip["take"],
        "track": "V1",
        "source": stretch(picture["start"] + clip["from"], clip["frames"]),
        "available": stretch(picture["start"], picture["frames"]),
        "record": stretch(clip["record_start"], clip["frames"]),
        "reel": clip["reel"],
        "link": linked(picture["file"], prefix),
        "lane": clip["lane"],
        "channels": picture["channels"],
        "provenance": known(clip["provenance"]),
    }


def stem_row(clip, stem, rate, prefix):
    first = frame_of(stem["time_reference"], rate)
    return {
        "name": f"{clip['take']}_{stem['role']}",
        "role": stem["role"],
        "track": "MIX" if stem["role"] == "GUIDE" else stem["role"],
        "channels": list(range(1, stem["channels"] + 1)),
        "source": stretch(first + clip["from"], clip["frames"]),
        "available": stretch(first, clip["picture"]["frames"]),
        "record": stretch(clip["record_start"], clip["frames"]),
        "link": linked(stem["file"], prefix),
    }


def marker_row(marker):
    return {key: marker[key] for key in ("name", "frame", "length", "note", "colour")}


def cue_row(cue):
    times = OF_THE_SHOT if cue["times"] == "of_the_shot" else None
    note = "; ".join(part for part in (cue["take"], cue["sync"], times) if part)
    return {
        "number": cue["number"],
        "character": NOBODY if cue["character"] is None else cue["character"],
        "character_number": cue["character_number"],
        "line": NO_LINE if cue["line"] is None else cue["line"],
        "start": cue["record"]["start"],
        "end": cue["record"]["end"],
        "reason": REASONS[cue["reason"]],
        "priority": cue["priority"],
        "scene": cue["scene"],
        "reel": cue["reel"],
        "take": cue["take"],
        "note": note,
        "beeps": {"beeps": cue["beeps"], "streamer": cue["streamer"]},
    }


def stretch(first, frames):
    return [first, first + frames]


def frame_of(samples, rate):
    """The frame whose beginning is nearest to a 48 kHz sample."""
    return (samples * rate.numerator * 2 + 48_000 * rate.denominator) // (48_000 * rate.denominator * 2)


def linked(file, prefix):
    return file if file.startswith("/") else prefix + file


def known(provenance):
    """What nobody knows is empty or absent, and so it is here."""
    return {key: value for key, value in provenance.items() if value not in (None, "")}


def rows_of_reader(answer):
    """A reader's answer: kind, then rows."""
    unknown = set(answer) - set(PLURALS)
    if unknown:
        raise ValueError(f"rows of an unknown kind: {sorted(unknown)}")
    rows = {PLURALS[plural]: found if isinstance(found, list) else [found] for plural, found in answer.items()}
    for clip in rows.get("clip", []):
        if "provenance" in clip:
            clip["provenance"] = known(clip["provenance"])
    return rows
