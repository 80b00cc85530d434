"""How often the music detector is right, on pieces mixed from the sound of Debian packages.

Usage: music_accuracy.py CORPUS PIECES PATH_OF_THE_EXAMPLE

CORPUS has one folder for each package, unpacked there with `dpkg -x`: see PACKAGES. PIECES is a folder for the mixed
pieces, some 3 GB, made once and used again when it is there already. The example is `cargo build --release --example music`.

Each piece lasts 4 to 15 s at 48 kHz, stereo; every second one has been through AAC at 128 kbit/s. Files of a package are
split into two halves before anything is mixed. The first half is for choosing thresholds, the second for the report.
Prints, for each kind of piece, how many were flagged, then the accuracy. Needs ffmpeg, numpy, and espeak-ng's packages.
"""

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy

RATE = 48_000
PACKAGES = {
    "speech": {
        "asterisk-core-sounds-en-g722": "*.g722", "asterisk-core-sounds-fr-g722": "*.g722",
        "asterisk-core-sounds-ru-g722": "*.g722", "hedgewars-data": "voices/*/*.ogg", "klettres-data": "[deu]*/*/*.ogg",
        "fillets-ng-data": "sound/*/en/*.ogg", "pocketsphinx-testdata": "*.wav", "espeak-ng-data": "",
    },
    "music": {
        "asterisk-moh-opsound-wav": "*.wav", "colobot-common-sounds": "music/*.ogg", "extremetuxracer-data": "music/*.ogg",
        "fillets-ng-data": "music/*.ogg", "frozen-bubble-data": "*zik*.ogg", "hedgewars-data": "Music/*.ogg",
        "lincity-ng-data": "music/*/*.ogg", "singularity-music": "*.ogg", "supertux-data": "music/*/*.ogg",
        "unknown-horizons": "music/*.ogg", "zaz-data": "mus*.ogg",
        "torcs-data": "music/*.ogg", "gamine-data": "Bach*.ogg",
    },
    "ambience": {
        "ambience": "*/[at]*.ogg", "colobot-common-sounds": "sounds/*.wav", "extremetuxracer-data": "sounds/*.wav",
        "hedgewars-data": "Data/Sounds/*.ogg", "lincity-ng-data": "sounds/*.wav", "minetest-data": "*.ogg",
        "supertux-data": "sounds/*", "torcs-data": "sound/*.wav", "unknown-horizons": "sounds/**/*.ogg",
        "wesnoth-1.16-data": "sounds/**/*",
    },
}
# Neither music nor ambience: bells, horns, jingles, notes, songs, speech among the effects.
AMBIGUOUS = ("chapel", "bell", "horn", "fanfare", "wardrums", "Singer", "win.", "lose.", "new_era", "new_settlement", "invincible",
             "tavern", "ambient_drone", "suddendeath", "hello", "coins_cleared", "voc-", "drum", "magic-holy", "gold",
             "/scenario/", "/fish/", "excellent", "heal.", "klavir", "hogchant", "upgrade.", "welldone.", "lifeup.",
             *(f"Sounds/{octave}{note}.ogg" for octave in range(1, 9) for note in "ABCDEFG"))
LEVELS = {  # kind: (the voices, each with its level in dB below the first, pieces)
    "speech": ([("speech", 0)], 160), "ambience": ([("ambience", 0)], 160), "noise": ([("noise", 0)], 80),
    "speech + ambience": ([("speech", 0), ("ambience", (6, 24))], 160), "speech + noise": ([("speech", 0), ("noise", (6, 24))], 80),
    "music": ([("music", 0)], 160),
    "speech + music -6": ([("speech", 0), ("music", 6)], 80), "speech + music -12": ([("speech", 0), ("music", 12)], 80),
    "speech + music -18": ([("speech", 0), ("music", 18)], 80), "speech + music -24": ([("speech", 0), ("music", 24)], 80),
    "ambience + music 0": ([("ambience", 0), ("music", 0)], 80), "ambience + music -6": ([("ambience", 0), ("music", 6)], 80),
    "ambience + music -12": ([("ambience", 0), ("music", 12)], 80),
    "speech + ambience -12 + music -12": ([("speech", 0), ("ambience", 12), ("music", 12)], 80),
}


def main():
    corpus, pieces, example = (Path(argument).resolve() for argument in sys.argv[1:4])
    manifest = pieces / "pieces.json"
    if not manifest.exists():
        pieces.mkdir(exist_ok=True)
        manifest.write_text(json.dumps(make_pieces(corpus, pieces), indent=0))
    found = json.loads(manifest.read_text())
    run = subprocess.run([example, *(pieces / piece["file"] for piece in found)], capture_output=True, text=True, check=True)
    for piece, line in zip(found, run.stdout.splitlines(), strict=True):
        score, flag = line.split()[:2]
        piece["score"], piece["flag"] = float(score), flag == "music"
    report(found)


def report(found):
    for half in (0, 1):
        print(("first half, by which the threshold was chosen", "second half")[half])
        kinds, right = defaultdict(list), 0
        for piece in found:
            if piece["half"] == half:
                kinds[piece["kind"]].append(piece)
                right += piece["flag"] == piece["music"]
        for kind, members in kinds.items():
            flagged = sum(piece["flag"] for piece in members)
            print(f"  {kind:36} {flagged:4} of {len(members):4} flagged, {100 * flagged / len(members):5.1f} %")
        total = sum(map(len, kinds.values()))
        print(f"  accuracy {100 * right / total:.1f} % of {total} pieces")


def make_pieces(corpus, folder):
    dice = random.Random(1)
    halves = {voice: halve(corpus, voice, dice) for voice in PACKAGES}
    wanted = [(kind, voices, number) for kind, (voices, count) in LEVELS.items() for number in range(count)]
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda piece: make_piece(folder, halves, *piece), wanted))


def make_piece(folder, halves, kind, voices, number):
    dice = random.Random(f"{kind} {number}")
    half, aac = number % 2, number % 4 >= 2
    length = dice.randint(4 * RATE, 15 * RATE)
    mixed, sources = mix(voices, length, {voice: files[half] for voice, files in halves.items()}, dice)
    name = f"{kind.replace(' ', '')}-{number:03}.wav"
    write(folder / name, mixed, aac)
    music = any(voice == "music" for voice, _ in voices)
    return {"file": name, "kind": kind, "half": half, "music": music, "aac": aac, "sources": sources}


def halve(corpus, voice, dice):
    """Packages, each with its files; one such list for each half."""
    halves = ([], [])
    for package, pattern in PACKAGES[voice].items():
        if package == "espeak-ng-data":
            files = espeak(corpus)
        else:
            files = sorted(str(path) for path in (corpus / package).glob("**/" + pattern) if path.is_file())
        files = [path for path in files if not any(word in path for word in AMBIGUOUS)]
        shortest = {"speech": 0.5, "music": 16, "ambience": 0.4}[voice]
        files = [path for path in files if seconds(path) >= shortest]
        dice.shuffle(files)
        print(f"{voice}: {package}: {len(files)} files", file=sys.stderr)
        for half in (0, 1):
            if files[half::2]:
                halves[half].append(files[half::2])
    return halves


def espeak(corpus):
    """Sentences by espeak-ng, in several voices; its program and library are in the corpus too."""
    lines = ["Tonight, the kitchen opens at seven.", "Walk to the end of the market and wait for the blue light.",
             "I never said that the letter was mine.", "Hold the lamp higher, there is something on the wall!",
             "Do you remember what the weather was like that morning?", "Three, two, one, and we are rolling."]
    program = corpus / "espeak-ng/usr/bin/espeak-ng"
    libraries = ":".join(str(path) for path in corpus.glob("lib*/usr/lib/*-linux-gnu"))
    settings = {**os.environ, "LD_LIBRARY_PATH": libraries}
    data = next((corpus / "espeak-ng-data").glob("usr/lib/*/espeak-ng-data"))
    made = []
    for voice in ("en-gb+m3", "en-us+f2", "en-gb-scotland+m7", "en-us+f4"):
        for number, line in enumerate(lines):
            path = corpus / f"espeak-ng-data/{voice}-{number}.wav"
            command = [program, "--path", data.parent, "-v", voice, "-s", str(140 + 10 * number), "-w", path, line]
            subprocess.run(command, env=settings, check=True)
            made.append(str(path))
    return made


def mix(voices, length, packages, dice):
    mixed, sources, loudness = numpy.zeros((length, 2)), [], None
    for voice, below in voices:
        part, names = {"speech": speech, "music": music, "ambience": ambience, "noise": noise}[voice](length, packages.get(voice), dice)
        level = active_level(part)
        if loudness is None:
            loudness = 10 ** (dice.uniform(-32, -18) / 20)
        decibels = dice.uniform(*below) if isinstance(below, tuple) else below
        mixed += part * (loudness * 10 ** (-decibels / 20) / max(level, 1e-9))
        sources.append(names)
    return mixed / max(1, abs(mixed).max()), sources


def active_level(part):
    """The RMS over those blocks of 50 ms that are within 30 dB of the loudest."""
    power = (part[: len(part) // 2400 * 2400] ** 2).reshape(-1, 4800).mean(axis=1)
    return numpy.sqrt(power[power > power.max() / 1000].mean()) if power.max() > 0 else 0


def speech(length, packages, dice):
    files, parts, filled = dice.choice(packages), [], 0
    if "hedgewars" in files[0]:
        folder = os.path.dirname(dice.choice(files))
        files = [path for path in files if os.path.dirname(path) == folder]
    names = []
    while filled < length:
        names.append(dice.choice(files))
        phrase = decode(names[-1])
        parts += [phrase, numpy.zeros((int(dice.uniform(0.05, 0.9) * RATE), 2))]
        filled += len(parts[-1]) + len(phrase)
    return numpy.concatenate(parts)[:length], names


def music(length, packages, dice):
    for _ in range(20):
        name = dice.choice(dice.choice(packages))
        start = dice.uniform(0, seconds(name) - length / RATE - 0.2) if seconds(name) > 15.5 else 0
        part = decode(name, start, length / RATE)
        # No piece may be the silence between or after notes.
        if len(part) >= length and numpy.median(abs(part)) > 1e-4:
            return part[:length], [name, round(start, 2)]
    raise ValueError("no music")


def ambience(length, packages, dice):
    """A bed (one sound over and over, or noise), or effects strewn over silence or over a bed."""
    way, names, part = dice.random(), [], numpy.zeros((length, 2))
    if way < 0.35:
        name = dice.choice([path for path in dice.choice(packages) if seconds(path) > 1] or [packages[0][0]])
        names.append(name)
        sound = decode(name, 0, 20)
        part += looped(sound, length)
        if way < 0.15:
            return part, names
    elif way < 0.7:
        part += noise(length, None, dice)[0] * dice.uniform(0.02, 0.3)
        names.append("noise")
    for _ in range(dice.randint(2, 1 + length // RATE)):
        name = dice.choice(dice.choice(packages))
        names.append(name)
        sound = decode(name, 0, 6) * dice.uniform(0.3, 1)
        start = dice.randrange(length)
        part[start : start + len(sound)] += sound[: length - start]
    return part, names


def looped(sound, length):
    """The sound over and over, each time faded 20 ms into the next."""
    fade = min(960, len(sound) // 4)
    ramp = numpy.linspace(0, 1, fade)[:, None]
    body = sound[: len(sound) - fade].copy()
    body[:fade] = body[:fade] * ramp + sound[len(sound) - fade :] * (1 - ramp)
    return numpy.tile(body, (length // len(body) + 1, 1))[:length]


def noise(length, _, dice):
    """Wind, rain or a room: noise whose colour, band and swell differ."""
    generator = numpy.random.default_rng(dice.randrange(1 << 30))
    spectrum = numpy.fft.rfft(generator.standard_normal((1 << 20, 2)), axis=0)
    hertz = numpy.fft.rfftfreq(1 << 20, 1 / RATE)
    centre, slope = dice.uniform(100, 3000), dice.uniform(0.5, 6)
    shape = 1 / (1 + abs(numpy.log2(numpy.maximum(hertz, 20) / centre)) ** 2) ** slope
    sound = numpy.fft.irfft(spectrum * shape[:, None], axis=0)[:length]
    time = numpy.arange(length) / RATE
    swell = 1 + dice.uniform(0, 0.9) * numpy.sin(2 * numpy.pi * dice.uniform(0.1, 0.8) * time + dice.uniform(0, 6))
    sound = sound * swell[:, None] / sound.std()
    if dice.random() < 0.4:
        drops = generator.random((length, 1)) < dice.uniform(5, 200) / RATE
        click = numpy.exp(-numpy.arange(480) / 60) * generator.standard_normal(480)
        sound[:, 0] += 3 * numpy.convolve(drops[:, 0], click)[:length]
    return sound * 0.1, [f"noise {centre:.0f} {slope:.1f}"]


DURATIONS, SHORT = {}, {}


def seconds(path):
    if path not in DURATIONS:
        if path.endswith(".g722"):
            DURATIONS[path] = os.path.getsize(path) / 8000
        else:
            command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path]
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            DURATIONS[path] = float(said) if said not in ("", "N/A") else 0
    return DURATIONS[path]


def decode(path, start=0, length=30):
    if start != 0 or (path, length) not in SHORT:
        command = ["ffmpeg", "-v", "error", "-ss", str(start), "-t", str(length + 0.1), "-i", path,
                   "-f", "f32le", "-ac", "2", "-ar", str(RATE), "-"]
        data = subprocess.run(command, capture_output=True, check=False).stdout
        sound = numpy.frombuffer(data, "<f4").reshape(-1, 2)
        if start != 0:
            return sound
        SHORT[path, length] = sound
    return SHORT[path, length]


def write(path, mixed, aac):
    data = (mixed.clip(-1, 1) * 32767).round().astype("<i2").tobytes()
    raw = ["-f", "s16le", "-ar", str(RATE), "-ac", "2", "-i", "-"]
    if aac:
        encode = ["ffmpeg", "-v", "error", *raw, "-c:a", "aac", "-b:a", "128k", "-f", "adts", "-"]
        data = subprocess.run(encode, input=data, capture_output=True, check=True).stdout
        raw = ["-f", "aac", "-i", "-"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *raw, "-c:a", "pcm_s16le", path], input=data, check=True)


if __name__ == "__main__":
    main()
