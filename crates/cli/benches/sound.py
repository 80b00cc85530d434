"""The speed of listening: speech regions, separation and sync, each on one core, and the memory of it all.

Usage: sound.py PATH_OF_SEEDPOST PATH_OF_EARS

Prints, and fails where a limit in brackets is not kept:
- how many times faster than it plays 15 s of speech are searched for speech and taken apart, and how long the same
  15 s take to be found in a render of 15 s;
- the whole command `stems` with and without separation, as times real time;
- the peak memory of `finish` with all models loaded, two clips at once.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from assets import peak_mib

VOICE = Path(__file__).resolve().parents[3] / "fixtures/sound/speech_de.flac"
ONE_CORE = ["taskset", "-c", "0"]
ROUNDS = 3

missed = []


def main():
    program, ears = (str(Path(argument).resolve()) for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        clips = [make_clip(folder / name) for name in ["a.mp4", "b.mp4"]]
        print(listeners(ears), flush=True)
        print(command(program, clips[0], folder), flush=True)
        print(memory(program, clips, folder), flush=True)
    if missed:
        raise SystemExit("\n".join(missed))


def limit(holds, what):
    if not holds:
        missed.append(f"not kept: {what}")


def make_clip(clip):
    """15 s of a voice over a hum."""
    sources = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=24:duration=15", "-stream_loop", "1", "-i", str(VOICE)]
    sources += ["-f", "lavfi", "-i", "sine=frequency=70:sample_rate=48000:duration=15"]
    mix = "[1:a]aresample=48000[v];[v][2:a]amix=inputs=2:weights=1|0.05:duration=shortest[a]"
    codecs = ["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-t", "15"]
    command = ["ffmpeg", "-v", "error", *sources, "-filter_complex", mix, "-map", "0:v", "-map", "[a]", *codecs, str(clip)]
    subprocess.run(command, check=True)
    return clip


def listeners(ears):
    said = subprocess.run([*ONE_CORE, ears, str(VOICE)], check=True, capture_output=True, text=True).stdout
    told = json.loads(said)
    seconds = told["seconds"]
    (_, speech), (_, separation), (_, sync) = told["speech"], told["separation"], told["sync"]
    limit(seconds / speech >= 100, f"speech regions {seconds / speech:.0f} times real time")
    limit(seconds / separation >= 15, f"separation {seconds / separation:.1f} times real time")
    limit(sync < 0.5, f"sync of 15 s takes {sync:.2f} s")
    limit(told["peak_mib"] <= 300, f"{told['peak_mib']} MiB with models loaded")
    return (
        f"one core, 15 s: speech regions {seconds / speech:.0f} times real time (at least 100), separation of stereo "
        f"{seconds / separation:.1f} times (at least 15), sync {sync * 1000:.0f} ms (under 500), {told['found']} of "
        f"{told['phrases']} phrases found; models read in {told['speech'][0] - speech + told['separation'][0] - separation:.2f} s; "
        f"peak memory {told['peak_mib']} MiB (at most 300)"
    )


def command(program, clip, folder):
    times = {}
    for flags in [["--no-separation"], []]:
        stems = [*ONE_CORE, program, "stems", str(clip), "--force", "--out", str(folder / "stems"), *flags]
        times[len(flags)] = min(timed(stems) for _ in range(ROUNDS))
    whole, apart = times[1], times[0]
    return f"stems of a clip of 15 s on one core: {whole * 1000:.0f} ms whole, {apart:.2f} s taken apart, {15 / apart:.1f} times real time"


def timed(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def memory(program, clips, folder):
    peak = peak_mib([program, "finish", "--out", str(folder / "finished"), *map(str, clips)])
    limit(peak <= 300, f"{peak:.0f} MiB for finish of two clips at once")
    return f"peak memory of finish, two clips of 15 s at once, taken apart: {peak:.0f} MiB (at most 300)"


if __name__ == "__main__":
    main()
