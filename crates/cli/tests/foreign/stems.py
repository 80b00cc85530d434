"""Compares what three programs read from stems with what seedpost said of them.

Usage: stems.py FOLDER STEMS.json FRAMES RATE

STEMS.json is the list `stems` that seedpost printed, for a picture of FRAMES frames at RATE (such as 24 or 24000/1001).
ffprobe, wavinfo and exiftool each read every file: length, rate, depth, channels, time reference, and the iXML's own
time stamp, frame rate and track names must be one. Each side of a stem must be that channel of it, and DX and ME must
add up to the whole, both by ffmpeg's samples. Prints how much was compared; exit code 1 with the reasons otherwise.
"""

import array
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from wavinfo import WavInfoReader

PROBLEMS = []


def main():
    folder, stems = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    rate = Fraction(sys.argv[4])
    length = round(int(sys.argv[3]) / rate * 48_000)
    files = 0
    for stem in stems:
        whole = samples(folder / stem["file"])
        check(folder / stem["file"], stem, stem["channels"], length, rate)
        files += 1
        for index, side in enumerate(stem["sides"]):
            check(folder / side["file"], stem, 1, length, rate)
            same(side["file"], "samples", samples(folder / side["file"]), whole[index :: stem["channels"]])
            files += 1
    by_role = {stem["role"]: samples(folder / stem["file"]) for stem in stems}
    added = 0
    if "DX" in by_role:
        mix = by_role.get("MIX", by_role.get("GUIDE"))
        total = [dialogue + rest for dialogue, rest in zip(by_role["DX"], by_role["ME"], strict=True)]
        same("DX + ME", "samples", total, list(mix))
        same("DX", "is not silence", any(by_role["DX"]), True)
        added = len(total)
    print(f"{files} files read by ffprobe, wavinfo and exiftool alike; {added} samples of DX and ME add up to the whole")
    for problem in PROBLEMS[:50]:
        print(problem, file=sys.stderr)
    return 1 if PROBLEMS else 0


def check(path, stem, channels, length, rate):
    reference = stem["time_reference"]
    expected = {"samples": length, "rate": 48_000, "bits": 24, "channels": channels, "time reference": reference}
    for reader in (by_ffprobe, by_wavinfo, by_exiftool):
        facts = reader(path)
        for key, value in expected.items():
            if key in facts:
                same(path.name, f"{key} by {reader.__name__}", facts[key], value)
        if "iXML" in facts:
            ixml = facts["iXML"]
            # exiftool divides, to fifteen places.
            same(path.name, f"iXML rate by {reader.__name__}", abs(Fraction(ixml["rate"]) - rate) < Fraction(1, 10**9), True)
            same(path.name, f"iXML flag by {reader.__name__}", ixml["flag"], "NDF")
            same(path.name, f"iXML time by {reader.__name__}", ixml["high"] * 2**32 + ixml["low"], reference)
            same(path.name, f"iXML tracks by {reader.__name__}", len(ixml["tracks"]), channels)
            code = stem["role"] + ("_estimated" if stem["estimated"] else "")
            sides = {1: [code, f"{code}-L", f"{code}-R"], 2: [f"{code}-L", f"{code}-R"]}[channels]
            same(path.name, f"iXML names by {reader.__name__}", all(name in sides for name in ixml["tracks"]), True)


def by_ffprobe(path):
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    document = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    stream = document["streams"][0]
    return {
        "samples": stream["duration_ts"],
        "rate": int(stream["sample_rate"]),
        "bits": stream["bits_per_sample"],
        "channels": stream["channels"],
        "time reference": int(document["format"]["tags"]["time_reference"]),
    }


def by_wavinfo(path):
    reader = WavInfoReader(str(path))
    text = lambda name: reader.ixml.parsed.find(f"./SPEED/{name}").text
    return {
        "samples": reader.data.frame_count,
        "rate": reader.fmt.sample_rate,
        "bits": reader.fmt.bits_per_sample,
        "channels": reader.fmt.channel_count,
        "time reference": reader.bext.time_reference,
        "iXML": {
            "rate": text("TIMECODE_RATE"),
            "flag": text("TIMECODE_FLAG"),
            "high": int(text("TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI")),
            "low": int(text("TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO")),
            "tracks": [track.name for track in reader.ixml.track_list],
        },
    }


def by_exiftool(path):
    text = subprocess.run(["exiftool", "-s", "-a", str(path)], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        # A name stands once for each track.
        found.setdefault(name.strip().removeprefix("Bwfxml"), []).append(value.strip())
    one = lambda name: found[name][0]
    return {
        "rate": int(one("SampleRate")),
        "bits": int(one("BitsPerSample")),
        "channels": int(one("NumChannels")),
        "time reference": int(one("TimeReference")),
        "iXML": {
            "rate": one("SpeedTimecodeRate"),
            "flag": one("SpeedTimecodeFlag"),
            "high": int(one("SpeedTimestampSamplesSinceMidnightHi")),
            "low": int(one("SpeedTimestampSamplesSinceMidnightLo")),
            "tracks": found["TrackListTrackName"],
        },
    }


def samples(path):
    """24-bit samples as whole numbers, interleaved."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "s32le", "-"]
    raw = array.array("i", subprocess.run(command, check=True, capture_output=True).stdout)
    return [sample >> 8 for sample in raw]


def same(file, what, found, expected):
    if found != expected:
        short = lambda value: value if not isinstance(value, list) else f"a list of {len(value)}"
        PROBLEMS.append(f"{file}: {what}: {short(found)}, expected {short(expected)}")


if __name__ == "__main__":
    sys.exit(main())
