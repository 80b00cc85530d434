#!/usr/bin/env python3
"""Makes renders with known truth: clips in which supplied recordings are performed anew.

usage: renders.py FIXTURES OUT [COUNT]

Each recording in FIXTURES (speech, FLAC or WAV; names beginning with "music" or "noise" are laid under) is cut into
phrases at its pauses. Every phrase gets its own shift, stretch (uneven within) and pitch by FFmpeg's rubberband, noise
or music is laid under 10 dB below, and the whole becomes an MP4 of H.264 and AAC. Beside the clips truth.json says, for
each, the reference (48 kHz mono WAV), its phrases, and for each phrase pairs of samples at 48 kHz: of the reference, and
of the clip that speaks it; between two pairs the tempo is even. Phrases that the clip does not hold are null.
Seeds are fixed. Needs ffmpeg with librubberband, as Debian has it, and nothing else.
"""

import array
import json
import math
import random
import subprocess
import sys
import wave
from pathlib import Path

RATE = 48_000
HOP = 480
MOST = 12 * RATE
LEAST = RATE // 2


def decode(path, chain="anull"):
    """A file's sound, mono at 48 kHz."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-af", chain, "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"]
    return array.array("h", subprocess.run(command, check=True, capture_output=True).stdout)


def through(sound, chain):
    """A sound after a chain of filters."""
    command = ["ffmpeg", "-v", "error", "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-",
               "-af", chain, "-ar", str(RATE), "-f", "s16le", "-"]
    done = subprocess.run(command, check=True, capture_output=True, input=sound.tobytes())
    return array.array("h", done.stdout)


def power(sound):
    """The mean square of every tenth sample."""
    some = sound[::10]
    return sum(value * value for value in some) / max(1, len(some))


def phrases(sound):
    """Stretches between pauses of 0.45 s, by the power of 10 ms."""
    powers = [power(sound[at:at + HOP]) for at in range(0, len(sound) - HOP, HOP)]
    floor = max(powers) * 10 ** -3.2
    found = []
    for at, value in enumerate(powers):
        if value > floor:
            if found and at - found[-1][1] < 45:
                found[-1][1] = at + 1
            else:
                found.append([at, at + 1])
    spread = [[max(0, a * HOP - 240), min(len(sound), b * HOP + 240)] for a, b in found]
    return [[a, b] for a, b in spread if b - a >= LEAST]


def perform(sound, chance):
    """A phrase in one to three pieces of different tempo, at one pitch, and where their borders are before and after."""
    count = max(1, min(3, len(sound) // RATE))
    mean, pitch = chance.uniform(0.94, 1.06), chance.uniform(0.95, 1.05)
    out, borders = array.array("h"), [[0, 0]]
    # Pieces overlap, so that each can be faded into the next while rubberband's edges lie outside.
    edge = 4_800
    for piece in range(count):
        first, last = piece * len(sound) // count, (piece + 1) * len(sound) // count
        tempo = min(1.08, max(0.925, mean + chance.uniform(-0.02, 0.02)))
        lead = array.array("h", [0] * max(0, edge - first)) + sound[max(0, first - edge):first]
        tail = sound[last:last + edge] + array.array("h", [0] * max(0, last + edge - len(sound)))
        done = through(lead + sound[first:last] + tail, f"rubberband=tempo={tempo:.4f}:pitch={pitch:.4f}")
        start, length = round(edge / tempo), round((last - first) / tempo)
        fade = 240 if piece else 0
        body = done[start - fade:start + length]
        for at in range(fade):
            share = at / fade
            body[at] = int(out[len(out) - fade + at] * (1 - share) + body[at] * share)
        del out[len(out) - fade:]
        out += body
        borders.append([last, len(out)])
    return out, borders


def noise(length, chance):
    """Noise whose power falls towards high frequencies, like a room's."""
    out, slow = array.array("h", bytes(2 * length)), 0.0
    for at in range(length):
        slow = 0.95 * slow + chance.gauss(0.0, 300.0)
        out[at] = max(-32_000, min(32_000, int(slow)))
    return out


def mix(voice, under):
    """The voice with something under it, 10 dB below the voice's mean while it speaks."""
    spoken = power(array.array("h", [value for value in voice if abs(value) > 30]))
    gain = math.sqrt(spoken / max(1.0, power(under)) * 0.1)
    pairs = zip(voice, under)
    return array.array("h", [max(-32_768, min(32_767, int(0.7 * (a + gain * b)))) for a, b in pairs])


def write(path, sound):
    """A mono WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.tobytes())


def clip(path, sound):
    """An MP4 of 24 frames a second with the sound in stereo."""
    seconds = f"{len(sound) / RATE:.4f}"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-",
               "-f", "lavfi", "-i", f"testsrc=size=96x54:rate=24:duration={seconds}", "-map", "1:v", "-map", "0:a",
               "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-ac", "2", "-c:a", "aac", "-b:a", "128k", str(path)]
    subprocess.run(command, check=True, input=sound.tobytes())


def render(source, sound, beds, number, out):
    """One clip of one recording, and its truth."""
    chance = random.Random(1_000 + number)
    sound = sound[:MOST]
    spans = phrases(sound)
    length = math.ceil((len(sound) + RATE // 2) / 2_000) * 2_000
    voice, truth, after = array.array("h", bytes(2 * length)), [], 0
    for start, end in spans:
        spoken, borders = perform(sound[start:end], chance)
        # Later phrases give way to earlier ones; what the clip does not hold is left out.
        at = max(after, start + int(chance.uniform(-0.5, 0.5) * RATE))
        if at + len(spoken) > length:
            truth.append(None)
            continue
        voice[at:at + len(spoken)] = spoken
        truth.append([[start + ours, at + theirs] for ours, theirs in borders])
        after = at + len(spoken) + 1_440
    bed = beds[number % len(beds)] if beds and number % 2 else noise(length, chance)
    while len(bed) < length:
        bed = bed + bed
    name = f"{number:02}-{source.stem}"
    write(out / f"{name}.wav", sound)
    clip(out / f"{name}.mp4", mix(voice, bed[:length]))
    return {"clip": f"{name}.mp4", "reference": f"{name}.wav", "source": source.name, "phrases": spans, "truth": truth}


def main():
    fixtures, out = Path(sys.argv[1]), Path(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    out.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in fixtures.iterdir() if path.suffix in (".flac", ".wav"))
    apart = [path for path in files if path.name.startswith(("music", "noise", "effect"))]
    beds = [decode(path) for path in apart if path.name.startswith("music")]
    voices = [(path, decode(path)) for path in files if path not in apart]
    voices = [(path, sound) for path, sound in voices if len(sound) > RATE and phrases(sound[:MOST])]
    made = [render(*voices[number % len(voices)], beds, number, out) for number in range(count if voices else 0)]
    (out / "truth.json").write_text(json.dumps(made, indent=1) + "\n")
    print(f"{len(made)} clips, {sum(len(one['phrases']) for one in made)} phrases")


if __name__ == "__main__":
    main()
