"""REAPER's projects by the package rpp.

Positions are seconds with decimals; each is taken for the nearest frame, and must be within a thousandth of it.
"""

import json
from collections import defaultdict
from fractions import Fraction

import rpp

from readers import Reader

TRACKS = {"clip sound": "MIX", "DX estimated": "DX", "ME estimated": "ME", "REF laid": "REF"}
COLOURS = {
    0xFF0000: "RED",
    0xFFFF00: "YELLOW",
    0x00FF00: "GREEN",
    0x00FFFF: "CYAN",
    0x0000FF: "BLUE",
    0xFF7F00: "ORANGE",
    0x7F00FF: "PURPLE",
}
PROVENANCE = ["provider", "model", "prompt", "seed", "request_id", "cost", "reason", "sha256"]
SEES = {
    "cut": {"name", "start", "rate", "drop"},
    "clip": {"name", "track", "source", "available", "record", "reel", "link", "lane", "channels", "provenance"},
    "stem": {"name", "track", "channels", "source", "available", "record", "link"},
    "marker": {"name", "frame", "length", "note", "colour"},
}


def read(path, rate, model):
    project = rpp.loads(path.read_text(encoding="utf-8"))
    if project.tag != "REAPER_PROJECT" or one(project, "SAMPLERATE")[:2] != ["48000", "1"]:
        raise ValueError("no project at 48 kHz")
    cut = cut_row(project)
    rate, start = Fraction(cut["rate"]), cut["start"]
    picture, *sounds = project.findall("TRACK")
    clips = [clip_row(item, rate, start) | {"track": one(picture, "NAME")[0]} for item in picture.findall("ITEM")]
    stems = [
        stem_row(item, rate, start) | {"track": role(one(track, "NAME")[0])}
        for track in sounds
        for item in track.findall("ITEM")
    ]
    return {"cut": cut, "clips": clips, "stems": stems, "markers": markers(project, rate, start)}


def cut_row(project):
    base, counting = int(one(project, "TIMEMODE")[3]), int(one(project, "TIMEMODE")[4])
    rate = Fraction(base) if counting == 0 else Fraction(base * 1000, 1001)
    return {
        "name": one(project, "TITLE")[0],
        "start": frames(one(project, "PROJOFFS")[0], rate),
        "rate": f"{rate.numerator}/{rate.denominator}",
        "drop": counting == 1,
    }


def clip_row(item, rate, start):
    told, row = notes(item), item_row(item, "VIDEO", rate, start)
    first = told["First frame"]
    provenance = {key: told.get(key.replace("_", " ").capitalize()) for key in PROVENANCE}
    return row | {
        "source": [first + at for at in row["source"]],
        "available": [first, first + told["Frames"]],
        "reel": told["Reel"],
        "lane": told["Lane"],
        "channels": told["Channels"],
        "provenance": provenance,
    }


def stem_row(item, rate, start):
    told, row = notes(item), item_row(item, "WAVE", rate, start)
    first = round(Fraction(told["First sample"], 48_000) * rate)
    return row | {
        "source": [first + at for at in row["source"]],
        "available": [first, first + told["Frames"]],
        "channels": list(range(1, told["Channels"] + 1)),
    }


def item_row(item, kind, rate, start):
    """What a picture and a sound share; `source` counts from the file's first frame."""
    begin, length, offset = (frames(one(item, name)[0], rate) for name in ("POSITION", "LENGTH", "SOFFS"))
    source = item.find("SOURCE")
    if source.attrib != [kind]:
        raise ValueError(f"the source is {source.attrib}")
    return {
        "name": one(item, "NAME")[0],
        "source": [offset, offset + length],
        "record": [start + begin, start + begin + length],
        "link": one(source, "FILE")[0],
    }


def markers(project, rate, start):
    told, rows, ends = notes(project), {}, {}
    for number, position, name, region, *colour in lines(project, "MARKER"):
        place = start + frames(position, rate)
        if number in rows:
            if region != "1" or name or colour or number in ends:
                raise ValueError(f"marker {number} stands twice")
            ends[number] = place
            continue
        note = told.get(f"Marker {number}", "")
        rows[number] = {"name": name, "frame": place, "length": 1, "note": note, "colour": colour_of(int(colour[0]))}
        ends |= {} if region == "1" else {number: place + 1}
    for number, row in rows.items():
        row["length"] = ends[number] - row["frame"]
    return list(rows.values())


def colour_of(number):
    blue, green, red = ((number >> shift) & 0xFF for shift in (16, 8, 0))
    if number >> 24 != 1:
        raise ValueError(f"{number} is no colour")
    return COLOURS[red << 16 | green << 8 | blue]


def notes(element):
    """Key, then value: lines of a key are parts of one text."""
    told = defaultdict(list)
    block = element.find("NOTES")
    for line in block if block is not None else []:
        key, value = line.removeprefix("|").split(": ", 1)
        told[key].append(json.loads(value))
    return {key: values[0] if len(values) == 1 else "".join(values) for key, values in told.items()}


def one(element, name):
    """The values of the only line of a name."""
    found = lines(element, name)
    if len(found) != 1:
        raise ValueError(f"{name} stands {len(found)} times")
    return found[0]


def lines(element, name):
    return [line[1:] for line in element if isinstance(line, list) and line[0] == name]


def frames(seconds, rate):
    exact = Fraction(seconds) * rate
    if abs(exact - round(exact)) > Fraction(1, 1000):
        raise ValueError(f"{seconds} s is no frame")
    return round(exact)


def role(name):
    return TRACKS.get(name) or name.replace("reference ", "REF")


READERS = [Reader("reaper", "rpp", SEES, read)]
