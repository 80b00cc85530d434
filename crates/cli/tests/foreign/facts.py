"""Compares what `seedpost probe` says of media files with what other people's software says of them.

Usage: facts.py SEEDPOST FOLDER

ffprobe, a decoding by ffmpeg, MediaInfo and a walk through the boxes are asked; see `facts_by_*.py`. Prints for each
fact how many files were equal, and each difference; exit code 1 where one is not in `EXCEPTIONS`.
"""

import collections
import fnmatch
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facts_by_boxes import by_boxes, tick_rate
from facts_by_ffprobe import by_ffprobe, decode
from facts_by_mediainfo import by_mediainfo

# File, fact, judge: why the judge is not followed. An entry that explains nothing is an error.
EXCEPTIONS = {
    ("h264_level_1b.mp4", "video.level", "MediaInfo"): "coded as 11 with a flag, which is what we tell",
    ("cut_long.mp4", "video.duration_us", "ffprobe"): "FFmpeg ends the edit a part of a frame behind its last frame",
    ("fragmented_moov.mp4", "video.coded_frames", "ffprobe"): "ffprobe's number is that of the index, without fragments",
    ("fragmented_moov.mp4", "audio.ticks", "ffprobe"): "FFmpeg takes the last packet for shorter",
    ("fragmented_moov.mp4", "bit_rate", "*"): "as the ticks of its sound",
    ("fragmented_skip_trailer.mp4", "bit_rate", "ffprobe"): "ffprobe counts the lead of sound into the length",
    ("gstreamer_fragmented.mp4", "bit_rate", "ffprobe"): "ffprobe counts what is before the first picture too",
    ("fragmented_delay.mp4", "*.edits", "boxes"): "edit lists of files that FFmpeg reads are not told",
    ("fragmented_delay.mp4", "audio.samples", "ffprobe"): "FFmpeg states the length with the lead in it",
    ("dnxhr.mov", "video.profile", "ffprobe"): "told by no table; stays unknown",
    ("mjpeg.mov", "video.profile", "ffprobe"): "told by no table; stays unknown",
    ("hevc_422_10.mp4", "video.profile", "MediaInfo"): "named Format Range there, Rext by FFmpeg",
}

# What stays unknown where FFmpeg reads a file, and why.
UNKNOWN = {
    "video.level": "FFmpeg's safe interface does not tell it",
    "audio.samples": "Matroska, AVI, FLV and transport streams tell times, not samples",
}


def main():
    seedpost, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    probed = probe(seedpost, files, folder)
    watched = mediainfo(files, folder)
    with ThreadPoolExecutor(2) as pool:
        # One process for several files: loading FFmpeg takes longer than decoding one of them.
        batches = [files[at : at + 12] for at in range(0, len(files), 12)]
        decoded = {name: one for found in pool.map(lambda batch: decode(folder, batch), batches) for name, one in found}
        foreign = dict(zip(files, pool.map(lambda name: by_ffprobe(folder / name, decoded[name]), files)))
    tally, differences = collections.defaultdict(collections.Counter), []
    for name in files:
        if probed[name]["info"] is None:
            differences.append((name, "info", "seedpost", probed[name]["error"], "facts"))
            continue
        ours = flat(probed[name]["info"])
        content = (folder / name).read_bytes()
        watcher = by_mediainfo(watched[name], 1 / (tick_rate(content) or 1000))
        judges = {"ffprobe": foreign[name], "MediaInfo": watcher, "boxes": by_boxes(content)}
        for judge, theirs in judges.items():
            differences += compare(name, judge, ours, theirs, tally)
    return report(tally, differences, len(files))


def probe(seedpost, files, folder):
    done = subprocess.run([seedpost, "probe", "--json", *files], cwd=folder, capture_output=True, text=True)
    document = json.loads(done.stdout)
    if document["schema"] != "seedpost.probe/1":
        sys.exit(f"the schema is {document['schema']}")
    return {entry["file"]: entry for entry in document["files"]}


def mediainfo(files, folder):
    command = ["mediainfo", "--Output=JSON", *files]
    document = json.loads(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)
    entries = document if isinstance(document, list) else [document]
    return {entry["media"]["@ref"]: entry["media"]["track"] for entry in entries}


def flat(value, name=""):
    """Facts by dotted names; a track that is not there is one fact, which is None."""
    if not isinstance(value, dict):
        return {name: value}
    facts = {name: value} if name else {}
    for key, part in value.items():
        facts |= flat(part, f"{name}.{key}" if name else key)
    return facts


def compare(name, judge, ours, theirs, tally):
    differences = []
    for fact, expected in theirs.items():
        part = fact.rpartition(".")[0]
        if part and ours.get(part) is None and expected is None:
            continue  # neither knows of such a track
        found = ours.get(fact)
        if agrees(found, expected):
            tally[fact][judge] += 1
        else:
            differences.append((name, fact, judge, found, expected))
    return differences


def agrees(found, expected):
    if callable(expected):
        return found is not None and expected(found)
    return found == expected


def report(tally, differences, count):
    unexplained, used = [], set()
    for difference in differences:
        reasons = [key for key in EXCEPTIONS if matches(key, difference)]
        used.update(reasons)
        if not reasons and not (difference[1] in UNKNOWN and difference[3] is None):
            unexplained.append(difference)
    print(f"{count} files")
    table(tally, differences, unexplained)
    for name, fact, judge, found, expected in sorted(unexplained, key=lambda row: (row[1], row[2], row[0])):
        print(f"{fact} of {name}: {found!r}; {judge}: {expected if not callable(expected) else expected.text}")
    idle = [key for key in EXCEPTIONS if key not in used]
    for key in idle:
        print(f"the exception {key} explains nothing")
    return 1 if unexplained or idle else 0


def matches(key, difference):
    return all(fnmatch.fnmatchcase(part, pattern) for part, pattern in zip(difference, key))


def table(tally, differences, unexplained):
    judges = ["ffprobe", "MediaInfo", "boxes"]
    print(f"{'fact':26}" + "".join(f"{'equal to ' + judge:>20}" for judge in judges) + f"{'excepted':>10}{'differ':>8}")
    failed = collections.Counter(difference[1] for difference in unexplained)
    excepted = collections.Counter(difference[1] for difference in differences) - failed
    for fact in sorted(set(tally) | set(failed)):
        equal = "".join(f"{tally[fact][judge] or '-':>20}" for judge in judges)
        print(f"{fact:26}{equal}{excepted[fact] or '-':>10}{failed[fact] or '-':>8}")


if __name__ == "__main__":
    sys.exit(main())
