"""OpenTimelineIO's own files by OpenTimelineIO."""

from fractions import Fraction

import opentimelineio

from exports_model import cue_row
from readers import Reader
from readers.labels import path as path_of

TRACKS = {"clip sound": "MIX", "DX estimated": "DX", "ME estimated": "ME", "REF laid": "REF"}
USUAL = [Fraction(number, 1) for number in (24, 25, 30, 48, 50, 60)] + [
    Fraction(number, 1001) for number in (24_000, 30_000, 60_000)
]

SEES = {
    "cut": {"name", "start", "rate", "drop"},
    "clip": {"name", "track", "channels", "source", "available", "record", "reel", "link", "lane", "provenance"},
    "stem": {"name", "track", "channels", "source", "available", "record", "link"},
    "marker": {"name", "frame", "length", "note", "colour"},
    "cue": {"number", "character", "line", "start", "end", "reason", "beeps", "priority", "scene", "reel", "note"},
}


def read(path, rate, model):
    timeline = opentimelineio.adapters.read_from_file(str(path))
    start = timeline.global_start_time
    cut = {
        "name": timeline.name,
        "start": whole(start),
        "rate": told(start.rate),
        "drop": timeline.metadata["seedpost"]["drop_frame"],
    }
    clips, stems = [], []
    for track in timeline.tracks:
        for clip in track.find_clips():
            row = clip_row(clip, whole(start))
            if track.kind == "Video":
                clips.append(row | picture(clip) | {"track": track.name})
            else:
                stems.append(row | sound(clip) | {"track": role(track.name)})
    markers = [marker_row(marker, whole(start)) for marker in timeline.tracks.markers]
    cues = [cue_row(cue) for cue in plain(timeline.metadata["seedpost"]["cues"])]
    return {"cut": cut, "clips": clips, "stems": stems, "markers": markers, "cues": cues}


def clip_row(clip, start):
    place = clip.transformed_time_range(clip.trimmed_range(), top(clip))
    return {
        "name": clip.name,
        "source": stretch(clip.source_range),
        "available": stretch(clip.media_reference.available_range),
        "record": [start + at for at in stretch(place)],
        "link": path_of(clip.media_reference.target_url),
    }


def top(item):
    parent = item.parent()
    while parent.parent() is not None:
        parent = parent.parent()
    return parent


def picture(clip):
    ours = plain(clip.metadata["seedpost"])
    return {key: ours[key] for key in ["reel", "lane", "provenance", "channels"]}


def sound(clip):
    channels = plain(clip.metadata["Resolve_OTIO"]["Channels"])
    if {channel["Source Track ID"] for channel in channels} != {0}:
        raise ValueError(f"{clip.name}: the file has one track")
    return {"channels": [channel["Source Channel ID"] + 1 for channel in channels]}


def role(name):
    """`A1 clip sound`."""
    words = name.split(" ", 1)[1]
    return TRACKS.get(words) or words.replace("reference ", "REF")


def marker_row(marker, start):
    begin, end = stretch(marker.marked_range)
    return {
        "name": marker.name,
        "frame": start + begin,
        "length": end - begin,
        "note": marker.comment,
        "colour": marker.color,
    }


def plain(value):
    """Metadata as Python's own dicts and lists."""
    if hasattr(value, "items"):
        return {key: plain(part) for key, part in value.items()}
    if hasattr(value, "__iter__") and not isinstance(value, str):
        return [plain(part) for part in value]
    return value


def stretch(range):
    return [whole(range.start_time), whole(range.start_time) + whole(range.duration)]


def told(rate):
    known = [exact for exact in USUAL if float(exact) == rate]
    return f"{known[0].numerator}/{known[0].denominator}" if known else str(rate)


def whole(time):
    if time.value != round(time.value):
        raise ValueError(f"{time} is no whole frame")
    return round(time.value)


READERS = [Reader("otio", "OpenTimelineIO", SEES, read)]
