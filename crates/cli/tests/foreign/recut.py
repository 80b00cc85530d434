"""An editor's recut, made by OpenTimelineIO: reads an export, edits its picture track, writes it in the same format.

    recut.py IN OUT [RATE]

Two neighbours are swapped, one clip loses 12 frames at its head and 6 at its tail, one is taken out, and what follows
moves up. Sound tracks are dropped. IN and OUT end in .otio, .edl or .xml; RATE (24, 24000/1001, …) is what an edit
decision list is read at. The edits are printed as JSON, with takes as the clips' names tell them.
"""

import json
import re
import sys
from fractions import Fraction

import opentimelineio as otio

HEAD, TAIL = 12, 6


def take_of(clip):
    name = re.match(r"(.+_T\d\d)(\.[^.]*)?$", clip.name, re.S)
    return name.group(1) if name else clip.name


def picture_track(timeline):
    tracks = [track for track in timeline.tracks if track.kind == otio.schema.TrackKind.Video]
    assert len(tracks) == 1, f"{len(tracks)} picture tracks"
    return tracks[0]


def swap(track, first, second):
    """Swaps two clips by their places among the track's children."""
    left, right = sorted((first, second))
    late, early = track.pop(right), track.pop(left)
    track.insert(left, late)
    track.insert(right, early)


def trim(clip):
    used = clip.trimmed_range()
    rate = used.duration.rate
    head, tail = (otio.opentime.RationalTime(frames, rate) for frames in (HEAD, TAIL))
    assert used.duration > head + tail, f"{clip.name} is too short to trim"
    clip.source_range = otio.opentime.TimeRange(used.start_time + head, used.duration - head - tail)


def recut(timeline):
    track = picture_track(timeline)
    places = [index for index, child in enumerate(track) if isinstance(child, otio.schema.Clip)]
    assert len(places) >= 4, f"{len(places)} clips are too few"
    names = [take_of(track[index]) for index in places]
    swap(track, places[0], places[1])
    trim(track[places[2]])
    removed = track[places[3]].duration()
    track.pop(places[3])
    if track.source_range is not None:
        shorter = removed + otio.opentime.RationalTime(HEAD + TAIL, removed.rate)
        track.source_range = otio.opentime.TimeRange(
            track.source_range.start_time, track.source_range.duration - shorter
        )
    for other in list(timeline.tracks):
        if other.kind == otio.schema.TrackKind.Audio:
            timeline.tracks.remove(other)
    return [
        {"change": "moved", "takes": names[:2]},
        {"change": "trimmed", "take": names[2], "head": HEAD, "tail": TAIL},
        {"change": "dropped", "take": names[3]},
    ]


def main(source, target, rate="24"):
    options = {"rate": float(Fraction(rate))} if source.endswith(".edl") else {}
    timeline = otio.adapters.read_from_file(source, **options)
    edits = recut(timeline)
    options = {"rate": float(Fraction(rate))} if target.endswith(".edl") else {}
    otio.adapters.write_to_file(timeline, target, **options)
    print(json.dumps({"edits": edits}))


if __name__ == "__main__":
    main(*sys.argv[1:])
