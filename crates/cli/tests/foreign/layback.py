"""A mixer's part: makes the mix of a package, spoils it, and hears what comes back with ffmpeg's ears.

    layback.py mix PACKAGE OUT [FAULT]
    layback.py compare PACKAGE MIX DELIVERY
"""
import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

RATE, FRAME = 48_000, 2000
# Peaks in dBFS at which an encoder's noise is as loud as the steps of the sound.
SOFT = {"hum": -58, "rumble": -64, "brown": -70, "still": -60}


def manifest(folder):
    return json.loads((Path(folder) / "manifest.json").read_text())


def decode(path, *arguments):
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vn", *arguments, "-f", "f32le", "-"]
    sound = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(sound, "<f4").reshape(-1, 2).astype("f8")


def pop():
    tone = 0.1 * np.sin(2 * np.pi * np.arange(FRAME) / 48)
    return np.stack([tone, tone], 1)


def build(package):
    """The guide stems at their places over soft noise, with leader and pops."""
    told = manifest(package)
    reel = told["reel"]
    at = lambda frame: (frame - reel["start"]) * FRAME
    mix = np.zeros((at(reel["end"]), 2))
    first, last = at(reel["picture"]["start"]), at(reel["picture"]["end"])
    noise = np.random.default_rng(7)
    mix[first:last] = noise.normal(0, 0.01, (last - first, 2))
    # A slate is spoken in the leader, and it is not silent there.
    mix[RATE : 3 * RATE] = noise.normal(0, 0.05, (2 * RATE, 2))
    for clip in told["clips"]:
        for stem in clip["stems"]:
            if stem["role"] in ("MIX", "GUIDE"):
                sound = decode(Path(package) / stem["file"], "-ac", "2")
                begin = clip["handles"][0] * FRAME
                sound = sound[begin : begin + clip["frames"] * FRAME]
                begin = at(clip["record_start"])
                mix[begin : begin + len(sound)] += 0.5 * sound
    for frame in (reel["two_pop"], reel["tail_pop"]):
        mix[at(frame) : at(frame) + FRAME] = pop()
    return mix, reel["start"] * FRAME, (first, last, at(reel["two_pop"]), at(reel["tail_pop"]))


def write(path, mix, reference, bits=24, rate=RATE):
    scale = 2 ** (bits - 1)
    whole = np.clip(np.rint(mix * scale), -scale, scale - 1).astype("<i4")
    data = whole.reshape(-1, 1).view("u1").reshape(-1, 4)[:, : bits // 8].tobytes()
    channels = mix.shape[1]
    block = channels * bits // 8
    chunk = lambda name, body: name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block, block, bits)
    body = b"WAVE"
    if reference is not None:
        body += chunk(b"bext", b"\0" * 338 + struct.pack("<QH", reference, 1) + b"\0" * 254)
    body += chunk(b"fmt ", form) + chunk(b"LIST", b"INFOISFT\x06\0\0\0mixer\0") + chunk(b"data", data)
    Path(path).write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def late(mix, samples):
    return np.concatenate([np.zeros((samples, 2)), mix[: len(mix) - samples]])


def low(sound, hertz):
    """A low-pass of first order, by its impulse response."""
    pole = np.exp(-2 * np.pi * hertz / RATE)
    response = (1 - pole) * pole ** np.arange(RATE)
    size = 1 << (len(sound) + RATE).bit_length()
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: len(sound)]


def soften(package, mix, kind):
    """Leaves only slow and soft sound in the cut's last clip but one."""
    told = manifest(package)
    clip = told["clips"][-2]
    begin = (clip["record_start"] - told["reel"]["start"]) * FRAME
    length = clip["frames"] * FRAME
    if kind == "hum":
        sound = np.sin(2 * np.pi * 50 * np.arange(length) / RATE)
    elif kind == "still":
        sound = np.ones(length)
    else:
        sound = np.random.default_rng(3).normal(0, 1, length)
        sound = low(low(sound, 40), 40) if kind == "rumble" else np.cumsum(sound)
        sound -= sound.mean()
    sound *= 10 ** (SOFT[kind] / 20) / np.abs(sound).max()
    mix[begin : begin + length] = sound[:, None]


def spoiled(package, out, fault):
    mix, reference, (first, last, two_pop, tail_pop) = build(package)
    bits, rate = 24, RATE
    if fault == "mono":
        mix = mix[:, :1]
    elif fault == "44100":
        rate = 44_100
        mix, reference = mix[: len(mix) * 441 // 480], reference * 441 // 480
    elif fault == "16 bit":
        bits = 16
    elif fault == "frame late":
        mix = late(mix, FRAME)
    elif fault == "sample late":
        mix = late(mix, 1)
    elif fault == "short":
        mix = mix[: len(mix) - RATE]
    elif fault == "silent":
        mix[first:last] = 0
    elif fault == "no pop":
        mix[two_pop : two_pop + FRAME] = 0
    elif fault == "wrong bext":
        reference += 24 * FRAME
    elif fault == "no bext":
        reference = None
    elif fault == "loud":
        mix[first:last] *= 3
    elif fault == "zero bext":
        reference = 0
    elif fault == "polarity":
        mix[:, 1] *= -1
    elif fault == "left only":
        mix[:first, 1] = mix[last:, 1] = 0
    elif fault == "constant":
        mix += 0.01
    elif fault == "countdown":
        for second in range(3, 9):
            begin = first - second * RATE
            mix[begin : begin + FRAME] = pop()
        mix[two_pop : two_pop + FRAME] *= 0.99
        mix[:first] += np.random.default_rng(1).normal(0, 1e-6, (first, 2))
    elif fault in ("hum", "rumble", "brown", "still"):
        soften(package, mix, fault)
    elif fault == "inverted":
        mix = -mix
    elif fault == "treated":
        mix = np.clip(mix * 1.5, -0.12, 0.12)
        for begin in (two_pop, tail_pop):
            mix[begin : begin + 20] *= np.linspace(0, 1, 20)[:, None]
    write(out, mix, reference, bits, rate)
    if fault == "cut":
        whole = Path(out).read_bytes()
        Path(out).write_bytes(whole[: len(whole) // 2])


def offset(one, other):
    """By how many samples the second is later: the peak of the cross-correlation, and how high it is."""
    size = 1 << (len(one) + len(other)).bit_length()
    lags = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size)), size)
    peak = int(np.argmax(np.abs(lags)))
    height = lags[peak] / np.sqrt(np.sum(one**2) * np.sum(other**2))
    return (peak if peak < size // 2 else peak - size), height


def packets(path):
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-c", "copy", "-f", "data", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def streamhash(path):
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-c", "copy", "-f", "streamhash", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().rpartition("=")[2]


def frames(path):
    """The MD5 of each picture that is shown."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-an", "-fps_mode", "passthrough", "-autoscale", "0", "-f", "framemd5", "-"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.rpartition(",")[2].strip() for line in told.splitlines() if not line.startswith("#")]


def counted(path):
    command = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().strip(","))


def heard(movie, at, mix, name):
    """A clip's sound in a movie, beside its stretch of the mix."""
    found = decode(movie)[at : at + len(mix)]
    assert len(found) == len(mix), (name, len(found), len(mix))
    if movie.suffix == ".mov":
        assert np.array_equal(found, mix), f"{name}: not the mix, bit by bit"
    for side in (0, 1):
        lag, height = offset(mix[:, side], found[:, side])
        # AAC leaves the noise above 16 kHz out.
        assert lag == 0 and height > 0.85, (name, side, lag, height)


def compare(package, mix, delivery):
    told, made = manifest(package), manifest(delivery)
    reel, sound = told["reel"], decode(mix)
    first = (reel["picture"]["start"] - reel["start"]) * FRAME
    whole = not (Path(delivery) / "shots").exists()
    seen = {clip["take"]: frames(Path(package) / clip["picture"]) for clip in told["clips"]}
    used = lambda clip: seen[clip["take"]][clip["handles"][0] : clip["handles"][0] + clip["frames"]]
    for clip, laid in zip(told["clips"], made["clips"], strict=True):
        begin = (clip["record_start"] - reel["start"]) * FRAME
        stretch = sound[begin : begin + clip["frames"] * FRAME]
        for movie in laid["movies"]:
            path = Path(delivery) / movie["path"]
            assert movie["packets_before"] == movie["packets_after"] and movie["movie_offset"] == movie["sound_offset"] == 0, movie
            handle = clip["handles"][0] * FRAME
            heard(path, begin - first if whole else handle, stretch, movie["path"])
            if not whole:
                source = Path(package) / clip["picture"]
                assert streamhash(path) == streamhash(source) == movie["packets_after"], movie["path"]
                assert frames(path) == seen[clip["take"]] and counted(path) == len(seen[clip["take"]]), movie["path"]
                silence = decode(path)[:handle]
                assert len(silence) == handle and np.all(np.abs(silence) < 0.02), movie["path"]
    if whole:
        (name,) = {movie["path"].rpartition(".")[0] for clip in made["clips"] for movie in clip["movies"]}
        for ending in (".mov", ".mp4"):
            path = Path(delivery) / (name + ending)
            expected = [frame for clip in told["clips"] for frame in used(clip)]
            assert frames(path) == expected, ending
            assert counted(path) == len(expected) == reel["picture"]["end"] - reel["picture"]["start"], ending
            if all(clip["handles"] == [0, 0] for clip in told["clips"]):
                copied = b"".join(packets(Path(package) / clip["picture"]) for clip in told["clips"])
                assert streamhash(path) == hashlib.sha256(copied).hexdigest(), ending
    print(f"{len(made['clips'])} clips, {'whole' if whole else 'shots'}")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "mix":
        spoiled(arguments[0], arguments[1], arguments[2] if len(arguments) > 2 else "")
    else:
        compare(*arguments)
