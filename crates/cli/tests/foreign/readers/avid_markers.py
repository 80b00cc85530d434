"""Media Composer's text of markers by Python's csv: name, timecode, track, colour, comment, frames, nothing, colour."""

import csv

from readers import Reader
from readers.labels import frame

COLOURS = {"red", "yellow", "green", "cyan", "blue", "magenta", "white"}
SEES = {"marker": {"name", "frame", "length", "note", "colour"}}


def read(path, rate, model):
    with path.open(encoding="utf-8", newline="\n") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True))
    return {"markers": [marker(row, rate) for row in rows]}


def marker(row, rate):
    name, label, track, colour, note, length, nothing, again = row
    if track != "V1" or nothing or colour != again or colour not in COLOURS:
        raise ValueError(f"no marker: {row}")
    return {
        "name": name,
        "frame": frame(label, rate, ";" in label),
        "length": int(length),
        "note": note,
        "colour": colour.upper(),
    }


READERS = [Reader("avid-markers", "csv", SEES, read)]
