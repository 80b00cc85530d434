"""Reads a turnover package with other people's software and compares it with its manifest.

Usage: check_turnover.py PACKAGE_DIR

OpenTimelineIO reads the OTIO and the CMX3600 list, pycmx reads both lists, ffprobe reads the media; the burnt-in frame
numbers are read by bars.py.
Prints every disagreement on stderr; exit code 0 when there is none, else 1.
"""

import hashlib
import json
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import opentimelineio as otio
import pycmx

import bars

RATE = 24
SAMPLE_RATE = 48000
SAMPLES_PER_FRAME = SAMPLE_RATE // RATE
START = "01:00:00:00"

failures = []


class Event(NamedTuple):
    """One line of an edit decision list; times in frames, ends exclusive."""

    name: str
    reel: str
    source_in: int
    source_out: int
    record_in: int
    record_out: int


def main():
    package = Path(sys.argv[1])
    manifest = json.loads((package / "manifest.json").read_text(encoding="utf-8"))
    same("manifest schema", manifest["schema"], "seedpost.turnover/3")
    same("manifest frame rate", manifest["frame_rate"], str(RATE))
    for check in [check_files, check_media, check_reel, check_references, check_otio, check_cmx3600, check_file32]:
        attempt(check.__name__, check, package, manifest)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def attempt(what, check, *arguments):
    try:
        check(*arguments)
    except Exception as error:  # whatever a foreign reader raises is a failure of the package
        fail(f"{what}: {type(error).__name__}: {error}")


def fail(message):
    failures.append(message)


def same(what, found, expected):
    if found != expected:
        fail(f"{what}: found {found!r}, expected {expected!r}")


def same_list(what, found, expected):
    same(f"{what}: count", len(found), len(expected))
    for number, (one, other) in enumerate(zip(found, expected), start=1):
        same(f"{what} {number}", one, other)


# Files and media


def check_files(package, manifest):
    listed = {entry["path"] for entry in manifest["files"]}
    present = {path.relative_to(package).as_posix() for path in package.rglob("*") if not path.is_dir()}
    same("files listed twice", len(manifest["files"]) - len(listed), 0)
    rest = sorted(path for path in present - listed if not path.startswith("ascmhl/"))
    same("files not listed", rest, ["manifest.json"])
    same("files that are not there", sorted(listed - present), [])
    for path in present:
        if not re.fullmatch(r"[A-Za-z0-9._/-]+", path):
            fail(f"{path}: a name that not every system takes")
    for entry in manifest["files"]:
        attempt(entry["path"], check_file, package / entry["path"], entry)


def check_file(path, entry):
    content = path.read_bytes()
    same(f"{entry['path']}: size", len(content), entry["bytes"])
    same(f"{entry['path']}: sha256", hashlib.sha256(content).hexdigest(), entry["sha256"])


def check_media(package, manifest):
    for clip in manifest["clips"]:
        attempt(clip["picture"], check_picture, package / clip["picture"], clip)
        for stem in clip["stems"]:
            attempt(stem["file"], check_stem, package / stem["file"], clip, stem)


# The reel


def check_reel(package, manifest):
    """Every stem of the reel is as long as leader, cut and tail, and begins with the leader."""
    reel = manifest["reel"]
    start, length = reel["start"], reel["end"] - reel["start"]
    same("reel: two-pop", reel["two_pop"], from_timecode("00:59:58:00"))
    same("reel: first frame", reel["picture"]["start"], from_timecode(START))
    ends = max(clip["record_start"] + clip["frames"] for clip in manifest["clips"])
    same("reel: end of the cut, tail pop, end", (ends, ends + 47, ends + 96), (reel["picture"]["end"], reel["tail_pop"], reel["end"]))
    if not reel["stems"]:
        fail("reel: no stems")
    for stem in reel["stems"]:
        for file, sides in [(stem["file"], 2), *((side, 1) for side in stem["sides"])]:
            document = probe(package / file)
            stream, tags = document["streams"][0], document["format"].get("tags", {})
            found = (stream["codec_name"], stream["sample_rate"], stream["channels"], stream["duration_ts"])
            same(f"{file}: form and length", found, ("pcm_s24le", "48000", sides, length * SAMPLES_PER_FRAME))
            same(f"{file}: time reference", tags.get("time_reference"), str(start * SAMPLES_PER_FRAME))


def check_references(package, manifest):
    reel = manifest["reel"]
    if reel["reference"] is None:
        return
    check_reference(package, reel["reference"], reel["start"], reel["end"] - reel["start"], reel["start"], None)
    for clip in manifest["clips"]:
        check_reference(package, clip["reference"], clip["record_start"], clip["frames"], clip["source_start"], clip["reel"])


def check_reference(package, reference, record, length, timecode, reel):
    """Frames, burnt-in record frame at both ends and in the middle, timecode track and reel, sound as long as picture."""
    for file, codecs in [(reference["edit"], ({"dnxhd", "prores"}, "pcm_s24le")), (reference["view"], ({"h264"}, "aac"))]:
        document = probe(package / file)
        streams = {stream["codec_type"]: stream for stream in document["streams"]}
        video, audio = streams["video"], streams["audio"]
        if video["codec_name"] not in codecs[0] or audio["codec_name"] != codecs[1]:
            fail(f"{file}: {video['codec_name']} and {audio['codec_name']}")
        size = (video["width"], video["height"], video["r_frame_rate"], int(video["nb_frames"]))
        same(f"{file}: size, rate, frames", size, (reference["width"], reference["height"], "24/1", length))
        wanted = [0, length // 2, length - 1]
        same(f"{file}: burnt-in frames", bars.read(str(package / file), wanted), [record + frame for frame in wanted])
    tags = [stream.get("tags", {}) for stream in probe(package / reference["edit"])["streams"]]
    stamped = {tag["timecode"] for tag in tags if "timecode" in tag}
    same(f"{reference['edit']}: timecode", stamped, {to_timecode(timecode)})
    if reel is not None:
        same(f"{reference['edit']}: reel", {tag["reel_name"] for tag in tags if "reel_name" in tag}, {reel})


def check_picture(path, clip):
    streams = probe(path)["streams"]
    videos = [stream for stream in streams if stream["codec_type"] == "video"]
    same(f"{clip['picture']}: video streams", len(videos), 1)
    if int(videos[0]["nb_frames"]) < clip["source_start"] + clip["frames"]:
        fail(f"{clip['picture']}: {videos[0]['nb_frames']} frames are too few")
    if clip["lane"] == "strip":
        kinds = [stream["codec_type"] for stream in streams]
        same(f"{clip['picture']}: sound in a stripped picture", "audio" in kinds, False)


def check_stem(path, clip, stem):
    document = probe(path)
    stream, name = document["streams"][0], stem["file"]
    same(f"{name}: streams", len(document["streams"]), 1)
    same(f"{name}: codec", stream["codec_name"], "pcm_s24le")
    same(f"{name}: sample rate", stream["sample_rate"], str(SAMPLE_RATE))
    same(f"{name}: bits", stream["bits_per_sample"], 24)
    same(f"{name}: channels", stream["channels"], stem.get("channels", stream["channels"]))
    whole = (clip["frames"] + sum(clip["handles"])) * SAMPLES_PER_FRAME
    same(f"{name}: samples", stream["duration_ts"], whole)
    same(f"{name}: samples in the manifest", stem["samples"], whole)
    tags = document["format"].get("tags", {})
    same(f"{name}: time reference", tags.get("time_reference"), str(stem["time_reference"]))


@cache
def probe(path):
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


# OTIO


def check_otio(package, manifest):
    path = only(package, "*.otio")
    timeline = otio.adapters.read_from_file(str(path))
    start = frames(timeline.global_start_time)
    same("OTIO: global start", start, from_timecode(manifest["start_timecode"]))
    check_otio_video(package, manifest, timeline, start)
    check_otio_audio(package, manifest, timeline, start)


def check_otio_video(package, manifest, timeline, start):
    tracks = timeline.video_tracks()
    same("OTIO: video tracks", len(tracks), 1)
    clips = list(tracks[0].find_clips())
    for clip in clips:
        check_available(clip)
    found = [(clip.name, media(package, clip), *source(clip), record(clip, start)) for clip in clips]
    expected = [
        (clip["take"], clip["picture"], clip["source_start"], clip["frames"], clip["record_start"])
        for clip in manifest["clips"]
    ]
    same_list("OTIO: video clip", found, expected)


def check_otio_audio(package, manifest, timeline, start):
    stems = {stem["file"]: (clip, stem) for clip in manifest["clips"] for stem in clip["stems"]}
    used = []
    for track in timeline.audio_tracks():
        for clip in track.find_clips():
            file = media(package, clip)
            used.append(file)
            if file in stems:
                check_otio_stem(clip, *stems[file], start)
    same("OTIO: stems used", sorted(used), sorted(stems))


def check_otio_stem(item, clip, stem, start):
    check_available(item)
    same(f"OTIO: {item.name}: record position", record(item, start), clip["record_start"])
    same(f"OTIO: {item.name}: source start and length", source(item), (stem_source(clip, stem), clip["frames"]))


def stem_source(clip, stem):
    """The first frame that is used, in the stem's own time."""
    return stem["time_reference"] / SAMPLES_PER_FRAME + clip["handles"][0]


def check_available(clip):
    available = clip.media_reference.available_range
    # TimeRange.contains() wants both ends strictly inside.
    if available is None or available.extended_by(clip.source_range) != available:
        fail(f"OTIO: {clip.name}: available range {available} lacks source range {clip.source_range}")


def media(package, clip):
    """The clip's file, relative to the package."""
    target = package / "timeline" / unquote(clip.media_reference.target_url)
    if not target.is_file():
        fail(f"OTIO: {clip.name}: no file at {clip.media_reference.target_url}")
    return target.resolve().relative_to(package.resolve()).as_posix()


def source(clip):
    return frames(clip.source_range.start_time), frames(clip.source_range.duration)


def record(clip, start):
    return start + frames(clip.range_in_parent().start_time)


# Edit decision lists


def check_cmx3600(package, manifest):
    path = only(package, "*_cmx3600.edl")
    reels = {clip["take"]: clip["reel"] for clip in manifest["clips"]}
    check_reels("cmx3600", reels, r"[A-Z0-9]{1,8}")
    expected = expected_events(package, manifest, reels)
    attempt("cmx3600", lambda: same_events("cmx3600 by OpenTimelineIO", events_by_otio(path), expected))
    same_events("cmx3600 by pycmx", events_by_pycmx(path, "3600"), expected)


def check_file32(package, manifest):
    path = only(package, "*_file32.edl")
    found = events_by_pycmx(path, "File32")
    takes = [clip["take"] for clip in manifest["clips"]]
    reels = dict(zip(takes, (event.reel for event in found["V"])))
    check_reels("file32", reels, r"[A-Za-z0-9_.-]{1,32}")
    same_events("file32 by pycmx", found, expected_events(package, manifest, reels))


def check_reels(what, reels, pattern):
    same(f"{what}: different reels", len(set(reels.values())), len(reels))
    for reel in reels.values():
        if not re.fullmatch(pattern, reel):
            fail(f"{what}: reel {reel!r} is not {pattern}")


def expected_events(package, manifest, reels):
    """What the lists must hold, by channel: the picture, and the clip's own sound."""
    events = defaultdict(list)
    for clip in manifest["clips"]:
        events["V"].append(expected_event(clip, clip["picture"], clip["source_start"], reels))
        for stem in clip["stems"]:
            if stem["role"] in ("MIX", "GUIDE"):
                event = expected_event(clip, stem["file"], stem_source(clip, stem), reels)
                for channel in range(probe(package / stem["file"])["streams"][0]["channels"]):
                    events[f"A{channel + 1}"].append(event)
    return events


def expected_event(clip, file, source_in, reels):
    record_in, length = clip["record_start"], clip["frames"]
    name, reel = file.rsplit("/", 1)[-1], reels.get(clip["take"])
    return Event(name, reel, source_in, source_in + length, record_in, record_in + length)


def same_events(what, found, expected):
    same(f"{what}: channels", sorted(found), sorted(expected))
    for channel in sorted(expected):
        same_list(f"{what}: {channel} event", found.get(channel, []), expected[channel])
    same(f"{what}: first record in", found["V"][0].record_in, from_timecode(START))


def events_by_otio(path):
    timeline = otio.adapters.read_from_file(str(path), rate=RATE)
    return {track.name: [otio_event(track, clip) for clip in track.find_clips()] for track in timeline.tracks}


def otio_event(track, clip):
    # The adapter keeps the first record time of a track as the negative start of its source range.
    offset = frames(track.source_range.start_time) if track.source_range else 0
    source_in, length = source(clip)
    record_in = record(clip, -offset)
    reel = clip.metadata["cmx_3600"]["reel"]
    return Event(clip.name, reel, source_in, source_in + length, record_in, record_in + length)


def events_by_pycmx(path, form):
    with path.open(encoding="ascii") as file:
        edits = pycmx.parse_cmx3600(file)
    same(f"{path.name}: form", edits.format, form)
    for statement in edits.unrecognized_statements:
        if getattr(statement, "content", "corrupt"):
            fail(f"{path.name}: pycmx does not recognise {statement}")
    listed = list(edits.events)
    same(f"{path.name}: numbers", [event.number for event in listed], list(range(1, len(listed) + 1)))
    events = defaultdict(list)
    for edit in (edit for event in listed for edit in event.edits):
        same(f"{path.name}: line {edit.line_number + 1}: transition", edit.transition.kind, "C")
        for channel in channels(edit):
            events[channel].append(pycmx_event(edit))
    return events


def channels(edit):
    return ["V"] * edit.channels.video + [f"A{number}" for number in edit.channels.channels]


def pycmx_event(edit):
    times = [edit.source_in, edit.source_out, edit.record_in, edit.record_out]
    return Event(edit.clip_name, edit.source, *map(from_timecode, times))


# Shared


def only(package, pattern):
    found = sorted((package / "timeline").glob(pattern))
    if len(found) != 1:
        raise ValueError(f"{len(found)} files are timeline/{pattern}, expected 1")
    return found[0]


def frames(time):
    """A whole number of frames at the package's rate."""
    if time.rate != RATE or time.value != int(time.value):
        raise ValueError(f"{time} is not a whole frame at {RATE} frames a second")
    return int(time.value)


def to_timecode(frame):
    seconds = frame // RATE
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frame % RATE:02}"


def from_timecode(text):
    if not re.fullmatch(r"\d\d:[0-5]\d:[0-5]\d:[01]\d|\d\d:[0-5]\d:[0-5]\d:2[0-3]", text):
        raise ValueError(f"{text!r} is not a timecode at {RATE} frames a second")
    hours, minutes, seconds, frame = map(int, text.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * RATE + frame


if __name__ == "__main__":
    sys.exit(main())
