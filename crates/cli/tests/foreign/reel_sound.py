"""Compares the sound of a package's reel with hand-counted numbers, by other people's readers.

Usage: reel_sound.py PACKAGE EXPECTED.json

EXPECTED.json has `name`, `rate` (frames a second), `samples`, `time_reference`, `pops` (first samples), `types` (of the
files' names) and `clips`: take, first sample in the reel, first sample of its stems, samples. Every file of audio/reel
is read by Python's wave, ffprobe, wavinfo and exiftool; pops are measured by sox and by a transform of our own. What lies
between is compared byte for byte with the shots' stems in audio/. Prints what was compared; exit code 1 with reasons
otherwise.
"""

import cmath
import json
import math
import re
import subprocess
import sys
import wave
from array import array
from pathlib import Path

from wavinfo import WavInfoReader

PROBLEMS = []
# Type in the name, code of the shots' stems, role in the manifest.
TYPES = {
    "DIAStem-estimated": ("DX_estimated", "DX"),
    "ME-estimated": ("ME_estimated", "ME"),
}
FRAME = 6


def main():
    package, expected = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    manifest = json.loads((package / "manifest.json").read_text())
    folder = package / "audio/reel"
    files, wanted = {path.name for path in folder.iterdir()}, set()
    stems = {stem["role"]: stem for stem in manifest["reel"]["stems"]}
    for kind in expected["types"]:
        name = f"{expected['name']}_{kind}_2ch_48k_24b_{expected['rate']}"
        code, role = TYPES.get(kind, (kind, kind))
        whole = data(folder / f"{name}.wav")
        if kind == "GUIDE-split":
            wanted.add(f"{name}.wav")
            check(folder / f"{name}.wav", expected, [f"{kind}-L", f"{kind}-R"])
            same(name, "samples", whole == split(package, expected), True)
            continue
        sides = [f"{name}.L.wav", f"{name}.R.wav"]
        wanted.update([f"{name}.wav", *sides])
        check(folder / f"{name}.wav", expected, [f"{code}-L", f"{code}-R"])
        same(name, "samples", whole == reel(package, expected, [code, "MIX"] if kind == "GUIDE" else [code]), True)
        family = WavInfoReader(str(folder / f"{name}.wav")).ixml.parsed.find("FILE_UID").text
        for index, side in enumerate(sides):
            check(folder / side, expected, [f"{code}-{'LR'[index]}"])
            same(side, "samples", data(folder / side) == one_side(whole, index), True)
            found = {tag.tag: tag.text for tag in WavInfoReader(str(folder / side)).ixml.parsed.find("FILE_SET")}
            same(side, "file set", found, {
                "TOTAL_FILES": "2", "FAMILY_UID": family, "FAMILY_NAME": name, "FILE_SET_INDEX": "AB"[index],
            })
        same(name, "in the manifest", stems.pop(role, None), {
            "role": role,
            "file": f"audio/reel/{name}.wav",
            "sides": [f"audio/reel/{side}" for side in sides],
            "estimated": "estimated" in kind,
            "channels": 2,
            "samples": expected["samples"],
            "time_reference": expected["time_reference"],
        })
        for at in expected["pops"]:
            pop(folder / f"{name}.wav", whole, at, expected["rate"])
    same("manifest", "other stems", stems, {})
    same("audio/reel", "files", sorted(files), sorted(wanted))
    same("audio/reel", "odd names", [name for name in files if not re.fullmatch(r"[A-Za-z0-9._-]+", name)], [])
    listed = {file["path"] for file in manifest["files"]}
    same("manifest", "files it lacks", sorted(f"audio/reel/{name}" for name in wanted if f"audio/reel/{name}" not in listed), [])
    print(f"{len(wanted)} files of {expected['samples']} samples; {len(expected['pops'])} pops in each")
    for problem in PROBLEMS[:50]:
        print(problem, file=sys.stderr)
    return 1 if PROBLEMS else 0


def data(path):
    """The samples of a WAV as bytes."""
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


def reel(package, expected, codes):
    """What a stem of the reel has to be: the shots' own samples at their places, the pops, and silence."""
    out = bytearray(expected["samples"] * FRAME)
    for take, at, first, samples in expected["clips"]:
        stem = first_of(package, take, codes)
        if stem is not None:
            out[at * FRAME : (at + samples) * FRAME] = data(stem)[first * FRAME : (first + samples) * FRAME]
    return with_pops(out, expected)


def with_pops(out, expected):
    length = 48_000 // expected["rate"]
    wave_form = [round(0.1 * 2**23 * math.sin(2 * math.pi * 1000 * n / 48_000)) for n in range(length)]
    pop_bytes = b"".join(sample.to_bytes(3, "little", signed=True) * 2 for sample in wave_form)
    for at in expected["pops"]:
        same("pop", "silence under it", any(out[at * FRAME : (at + length) * FRAME]), False)
        out[at * FRAME : (at + length) * FRAME] = pop_bytes
    return bytes(out)


def first_of(package, take, codes):
    paths = [package / f"audio/{take}_{code}.wav" for code in codes]
    return next((path for path in paths if path.is_file()), None)


def split(package, expected):
    """Dialogue, or the whole sound, on the left; music and effects on the right."""
    out = bytearray(expected["samples"] * FRAME)
    for take, at, first, samples in expected["clips"]:
        for side, codes in ((0, ["DX_estimated", "GUIDE", "MIX"]), (1, ["ME_estimated"])):
            stem = first_of(package, take, codes)
            if stem is None:
                continue
            both = data(stem)[first * FRAME : (first + samples) * FRAME]
            left, right = numbers(one_side(both, 0)), numbers(one_side(both, 1))
            # Python rounds halves to even numbers.
            mono = array("i", [round((one + other) / 2) for one, other in zip(left, right, strict=True)]).tobytes()
            for byte in range(3):
                out[at * FRAME + side * 3 + byte : (at + samples) * FRAME : FRAME] = mono[byte::4]
    return with_pops(out, expected)


def one_side(both, index):
    out = bytearray(len(both) // 2)
    for byte in range(3):
        out[byte::3] = both[index * 3 + byte :: FRAME]
    return bytes(out)


def numbers(mono):
    wide = bytearray(len(mono) // 3 * 4)
    for byte in range(3):
        wide[byte + 1 :: 4] = mono[byte::3]
    return [sample >> 8 for sample in array("i", bytes(wide))]


def check(path, expected, tracks):
    channels = len(tracks)
    with wave.open(str(path)) as file:
        same(path.name, "by wave", file.getparams()[:4], (channels, 3, 48_000, expected["samples"]))
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    probed = json.loads(run(command))
    stream = probed["streams"][0]
    found = (stream["codec_name"], stream["sample_rate"], stream["channels"], stream["duration_ts"])
    same(path.name, "by ffprobe", found, ("pcm_s24le", "48000", channels, expected["samples"]))
    same(path.name, "time by ffprobe", int(probed["format"]["tags"]["time_reference"]), expected["time_reference"])
    reader = WavInfoReader(str(path))
    same(path.name, "samples by wavinfo", reader.data.frame_count, expected["samples"])
    bext = reader.bext
    same(path.name, "time by wavinfo", bext.time_reference, expected["time_reference"])
    clock = (bext.originator, bext.originator_date, bext.originator_time)
    same(path.name, "originator by wavinfo", clock, ("seedpost", "", ""))
    same(path.name, "reel by wavinfo", f"sTAPE={expected['name']} " in bext.description, True)
    speed = {tag.tag: tag.text for tag in reader.ixml.parsed.find("SPEED")}
    same(path.name, "rate in iXML", (speed["TIMECODE_RATE"], speed["TIMECODE_FLAG"]), (f"{expected['rate']}/1", "NDF"))
    same(path.name, "time in iXML", int(speed["TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO"]), expected["time_reference"])
    same(path.name, "tracks in iXML", [track.name for track in reader.ixml.track_list], tracks)
    time = run(["exiftool", "-s3", "-TimeReference", "-n", str(path)])
    same(path.name, "time by exiftool", int(time), expected["time_reference"])


def pop(path, whole, at, rate):
    """One frame of 1 kHz at -20 dBFS, and silence a frame before and after."""
    length = 48_000 // rate
    around = whole[(at - length) * FRAME : at * FRAME], whole[(at + length) * FRAME : (at + 2 * length) * FRAME]
    same(path.name, f"silence around {at}", [any(part) for part in around], [False, False])
    for index in range(2):
        samples = numbers(one_side(whole[at * FRAME : (at + length) * FRAME], index))
        same(path.name, "phase 0 and hard edges", (samples[0], samples[1] > 100_000, samples[-1] != 0), (0, True, True))
        peak = 20 * math.log10(max(map(abs, samples)) / 2**23)
        same(path.name, f"peak of the pop at {at}: {peak}", abs(peak + 20) < 0.1, True)
        pitch = loudest(samples)
        same(path.name, f"pitch of the pop at {at}: {pitch}", abs(pitch - 1000) < 1, True)
    command = ["sox", str(path), "-n", "trim", f"{at}s", f"{length}s", "stat"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    stat = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in told.splitlines())}
    same(path.name, "samples by sox", stat["Samples read"], str(2 * length))
    same(path.name, "peak by sox", stat["Maximum amplitude"], "0.100000")
    before = subprocess.run([*command[:4], f"{at - length}s", *command[5:]], check=True, capture_output=True, text=True)
    same(path.name, "silence by sox", "Maximum amplitude:     0.000000" in before.stderr, True)


def loudest(samples):
    """The loudest frequency from 990 to 1010 Hz, to a fifth."""
    count = len(samples)
    window = [sample * math.sin(math.pi * n / count) ** 2 for n, sample in enumerate(samples)]

    def power(hertz):
        turn = cmath.exp(-2j * math.pi * hertz / 48_000)
        total = 0
        # Horner's way, from the last sample.
        for sample in reversed(window):
            total = total * turn + sample
        return abs(total)

    return max((990 + step / 5 for step in range(101)), key=power)


def run(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def same(file, what, found, expected):
    if found != expected:
        PROBLEMS.append(f"{file}: {what}: {found}, expected {expected}")


if __name__ == "__main__":
    sys.exit(main())
