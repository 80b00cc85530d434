"""The speed of seedpost against ffmpeg and ffprobe: whole commands, in turns, on one clip of 15 s.

Usage: against_ffmpeg.py PATH_OF_SEEDPOST

Prints the ratio of median times (seedpost ÷ the other; below 1 is faster) for each pair.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 20


def main():
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder))
        out = lambda name: str(Path(folder) / name)
        ffmpeg = ["ffmpeg", "-v", "error", "-y", "-i", clip]
        pairs = {
            "probe": (
                [program, "probe", "--json", clip],
                ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", clip],
            ),
            "strip": (
                [program, "lane", "--force", "--strip", clip, "--out", out("a.mp4")],
                [*ffmpeg, "-an", "-c", "copy", "-movflags", "+faststart", out("b.mp4")],
            ),
            "stem": (
                [program, "stems", "--force", "--no-separation", clip, "--out", out("stems")],
                [*ffmpeg, "-vn", "-c:a", "pcm_s24le", "-af", "atrim=end_sample=720000", out("b.wav")],
            ),
        }
        for name, (ours, theirs) in pairs.items():
            print(compare(name, ours, theirs, Path(folder)))


def make_clip(folder):
    clip = str(folder / "clip.mp4")
    picture = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=24:duration=15"]
    sound = ["-f", "lavfi", "-i", "anoisesrc=duration=15:sample_rate=48000:amplitude=0.2"]
    codecs = ["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-shortest"]
    subprocess.run(["ffmpeg", "-v", "error", *picture, *sound, *codecs, clip], check=True)
    return clip


def compare(name, ours, theirs, folder):
    report = folder / "hyperfine.json"
    quote = lambda command: subprocess.list2cmdline(command)
    subprocess.run(
        ["hyperfine", "--shell=none", "--warmup=2", f"--runs={RUNS}", "--style=none", f"--export-json={report}", quote(ours), quote(theirs)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    ours, theirs = (statistics.median(result["times"]) for result in json.loads(report.read_text())["results"])
    return f"{name:6} seedpost {ours * 1000:7.1f} ms   {theirs * 1000:7.1f} ms   ratio {ours / theirs:.2f}"


if __name__ == "__main__":
    main()
