"""Edit decision lists by OpenTimelineIO's CMX3600 adapter and by pycmx, which is the stricter one about columns.

OpenTimelineIO drops locators whose label counts drop-frame, so pycmx alone tells them.
"""

import re

import opentimelineio as otio
import pycmx

from readers import Reader
from readers.labels import frame

REEL = re.compile(r"COMMENT: REEL (\S+) IS (\S+)")
LANE = re.compile(r"COMMENT: LANE (KEEP|STRIP)")
LOCATOR = re.compile(r"LOC: (\S+) (\S+) +(.*)")
CHANNELS = {"A": 1, "A1": 1, "A2": 2}

SOUND = {"name", "track", "channels", "source", "record"}
BY_OTIO = {"cut": {"name", "start"}, "clip": {"name", "track", "source", "record", "lane"}, "stem": SOUND}
BY_PYCMX = {
    "cut": {"name", "start", "drop"},
    "clip": {"name", "track", "source", "record", "lane", "reel"},
    "stem": SOUND,
    "marker": {"name", "frame", "colour"},
}


def by_otio(path, rate, model):
    timeline = otio.adapters.read_from_file(str(path), "cmx_3600", rate=float(rate))
    clips, channels, start = [], [], None
    for track in timeline.tracks:
        # The adapter keeps the first record time of a track as the negative start of its source range.
        first = -whole(track.source_range.start_time) if track.source_range else 0
        for clip in track.find_clips():
            begin = first + whole(clip.range_in_parent().start_time)
            used = clip.source_range
            source = [whole(used.start_time), whole(used.start_time) + whole(used.duration)]
            record = [begin, begin + source[1] - source[0]]
            row = {"name": bare(clip.name), "track": track.name, "source": source, "record": record}
            start = begin if start is None else min(start, begin)
            if track.name == "V":
                told = [match[1] for line in clip.metadata["cmx_3600"]["comments"] if (match := LANE.search(line))]
                clips.append(row | {"track": "V1", "lane": told[0].lower()})
            else:
                channels.append(row)
    return {"cut": {"name": timeline.name, "start": start}, "clips": clips, "stems": folded(channels)}


def by_pycmx(path, rate, model):
    with path.open(encoding="ascii") as file:
        edits = pycmx.parse_cmx3600(file)
    form = {"edl": "3600", "edl32": "File32"}[form_of(path)]
    if edits.format != form:
        raise ValueError(f"the form is {edits.format}, not {form}")
    for statement in edits.unrecognized_statements:
        if getattr(statement, "content", "corrupt"):
            raise ValueError(f"pycmx does not recognise {statement}")
    drop = [statement.drop for statement in edits.event_statements if type(statement).__name__ == "StmtFCM"]
    if len(drop) != 1:
        raise ValueError(f"the counting stands {len(drop)} times")
    rows = events(edits, rate, drop[0])
    clips = [row for row in rows if row["track"] == "V1"]
    told, markers = remarks(edits, rate, drop[0])
    for clip, remark in zip(clips, told, strict=True):
        clip |= remark
    start = min(row["record"][0] for row in rows)
    cut = {"name": edits.title, "start": start, "drop": drop[0]}
    stems = folded(row for row in rows if row["track"] != "V1")
    return {"cut": cut, "clips": clips, "stems": stems, "markers": markers}


def form_of(path):
    return "edl32" if path.name.endswith("_file32.edl") else "edl"


def events(edits, rate, drop):
    listed = list(edits.events)
    if [event.number for event in listed] != list(range(1, len(listed) + 1)):
        raise ValueError("events are not numbered one by one")
    rows = []
    for edit in (edit for event in listed for edit in event.edits):
        labels = [edit.source_in, edit.source_out, edit.record_in, edit.record_out]
        times = [frame(label, rate, drop) for label in labels]
        track = "V1" if edit.channels.video else f"A{list(edit.channels.channels)[0]}"
        if edit.transition.kind != "C":
            raise ValueError(f"line {edit.line_number + 1} is no cut")
        source, record = times[:2], times[2:]
        if source[1] - source[0] != record[1] - record[0]:
            raise ValueError(f"line {edit.line_number + 1}: {source} is not as long as {record}")
        if not edit.source_file:
            raise ValueError(f"line {edit.line_number + 1}: no source file")
        row = {"name": bare(edit.clip_name), "track": track, "source": source, "record": record}
        rows.append(row | {"reel": edit.source})
    return rows


def remarks(edits, rate, drop):
    """Reel and lane of each picture, and the locators."""
    clips, markers, reel = [], [], None
    for statement in edits.event_statements:
        if type(statement).__name__ == "StmtEvent":
            reel = statement.source
        text = getattr(statement, "text", "")
        if match := REEL.fullmatch(text):
            clips.append({"reel": match[1]})
            # The list of 32 columns has the take's own name for a reel, where it fits.
            if reel not in (match[1], match[2]):
                raise ValueError(f"the reel {reel} is not explained by {text!r}")
        elif match := LANE.fullmatch(text):
            clips[-1]["lane"] = match[1].lower()
        elif text.startswith("LOC:"):
            match = LOCATOR.fullmatch(text.ljust(len("LOC: 00:00:00:00 ") + 8))
            markers.append({"name": match[3].strip(), "frame": frame(match[1], rate, drop), "colour": match[2]})
    return clips, markers


def bare(name):
    """A clip's name comes with the ending of its file."""
    return name.rpartition(".")[0]


def folded(channels):
    """One row for the channels of one sound."""
    rows = {}
    for row in channels:
        number = CHANNELS[row["track"]]
        rest = {key: row[key] for key in ("name", "source", "record")}
        stem = rows.setdefault((row["name"], row["record"][0]), rest | {"track": "MIX", "channels": []})
        if any(stem[key] != rest[key] for key in rest):
            raise ValueError(f"{row['name']}: its channels differ")
        stem["channels"].append(number)
    return [row | {"channels": sorted(row["channels"])} for row in rows.values()]


def whole(time):
    if time.value != round(time.value):
        raise ValueError(f"{time} is no whole frame")
    return round(time.value)


READERS = [
    Reader(form, name, sees, read)
    for form in ("edl", "edl32")
    for name, sees, read in [("OpenTimelineIO", BY_OTIO, by_otio), ("pycmx", BY_PYCMX, by_pycmx)]
]
