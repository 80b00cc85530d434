"""Avid Log Exchange by OpenTimelineIO's adapter, and by Python's csv, which sees what the adapter has no field for.

A log lists takes, each once.
"""

import csv
import re

import opentimelineio as otio

from readers import Reader
from readers.labels import frame

PROVENANCE = {
    "Provider": "provider",
    "Model": "model",
    "Prompt": "prompt",
    "Seed": "seed",
    "Request ID": "request_id",
    "Cost": "cost",
    "Lane Reason": "reason",
    "SHA-256": "sha256",
}
REQUIRED = ["Name", "Tracks", "Start", "End"]
SEES = {"clip": {"name", "available", "reel", "link", "lane", "channels", "provenance"}}
FORMATS = {(1920, 1080): "1080", (1280, 720): "720", (720, 576): "PAL", (720, 486): "NTSC"}


def by_otio(path, rate, model):
    log = otio.adapters.read_from_file(str(path), "ale")
    rows = []
    for clip in log:
        fields = dict(clip.metadata["ALE"])
        start, length = (round(time.value) for time in (clip.source_range.start_time, clip.source_range.duration))
        if clip.source_range.start_time.rate != float(rate):
            raise ValueError(f"the rate is {clip.source_range.start_time.rate}")
        if clip.media_reference.target_url != fields["Source Path"].rpartition("/")[2]:
            raise ValueError(f"{clip.name}: the file is {clip.media_reference.target_url}")
        rows.append(row(fields | {"Name": clip.name}, [start, start + length]))
    return {"clips": rows}


def by_csv(path, rate, model):
    head, body = path.read_text(encoding="utf-8").split("\n\nColumn\n")
    heading = dict(line.split("\t") for line in head.split("\n")[1:])
    check_heading(heading, rate, model)
    columns, lines = body.split("\n\nData\n")
    table = list(csv.reader(lines.split("\n")[:-1], delimiter="\t", quoting=csv.QUOTE_NONE, strict=True))
    columns = columns.split("\t")
    if not set(REQUIRED) <= set(columns) or len(set(columns)) != len(columns) or len(columns) > 64:
        raise ValueError(f"the columns are {columns}")
    rows = []
    for fields in table:
        fields = dict(zip(columns, fields, strict=True))
        drop = ";" in fields["Start"]
        start, length = (frame(fields[name], rate, drop) for name in ("Start", "Duration"))
        if fields["End"] and frame(fields["End"], rate, drop) != start + length:
            raise ValueError(f"{fields['Name']}: {fields['Start']} and {fields['Duration']} make no {fields['End']}")
        if not fields["Name"].startswith(fields["Shot"] + "_T") or not fields["Shot"].startswith(fields["Scene"]):
            raise ValueError(f"{fields['Name']}: it is of {fields['Shot']} in {fields['Scene']}")
        if int(fields["Take"]) != int(fields["Name"].rpartition("_T")[2]):
            raise ValueError(f"{fields['Name']}: it is take {fields['Take']}")
        rows.append(row(fields, [start, start + length]))
    return {"clips": rows}


def check_heading(heading, rate, model):
    sizes = {(clip["picture"]["width"], clip["picture"]["height"]) for clip in model["clips"]}
    form = FORMATS.get(next(iter(sizes)), "CUSTOM") if len(sizes) == 1 else "CUSTOM"
    wanted = {"FIELD_DELIM": "TABS", "VIDEO_FORMAT": form, "AUDIO_FORMAT": "48khz", "FPS": f"{round(float(rate), 3):g}"}
    if heading != wanted:
        raise ValueError(f"the heading is {heading}, not {wanted}")


def row(fields, available):
    provenance = {key: fields[column] for column, key in PROVENANCE.items()}
    if provenance["seed"]:
        provenance["seed"] = int(provenance["seed"])
    return {
        "name": fields["Name"],
        "available": available,
        "reel": fields["Tape"],
        "link": fields["Source Path"],
        "lane": fields["Lane"],
        "channels": channels(fields["Tracks"]),
        "provenance": provenance,
    }


def channels(tracks):
    """`V`, `VA1A2` or `VA1-16`."""
    first, *others = re.fullmatch(r"V((?:A\d+)*)(?:A1-(\d+))?", tracks).groups()
    if others[0]:
        return int(others[0])
    numbers = [int(number) for number in first.split("A")[1:]]
    if numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"the tracks are {tracks}")
    return len(numbers)


READERS = [Reader("ale", "otio-ale-adapter", SEES, by_otio), Reader("ale", "csv", SEES, by_csv)]
