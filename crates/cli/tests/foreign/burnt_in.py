"""Reads a package's picture references back: burnt-in frame numbers at random places, and the 2-pop in picture and sound.

Usage: burnt_in.py PACKAGE_DIR [SEED]

Fifty frames are drawn from all references of the package, MOV and MP4. The 2-pop is looked for, not expected: the white
frames of the reel, and the samples of its sound that are not silent before the cut. Prints what was seen; exit code 0
when all of it is as the manifest and the standard practice say (one frame at 00:59:58:00), else 1 with every
disagreement on stderr.
"""

import array
import json
import random
import subprocess
import sys
from pathlib import Path

import bars

RATE, SAMPLES_PER_FRAME = 24, 2000
TWO_POP = ((0 * 60 + 59) * 60 + 58) * RATE
failures = []


def main():
    package = Path(sys.argv[1])
    manifest = json.loads((package / "manifest.json").read_text(encoding="utf-8"))
    check_frames(package, manifest, random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 8))
    reel = manifest["reel"]
    for form in ["edit", "view"]:
        check_flashes(package / reel["reference"][form], reel)
        check_pop(package / reel["reference"][form], reel)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def check_frames(package, manifest, chance):
    reel = manifest["reel"]
    spans = [(reel["reference"], reel["start"], reel["end"] - reel["start"])]
    spans += [(clip["reference"], clip["record_start"], clip["frames"]) for clip in manifest["clips"]]
    files = [(span[0][form], *span[1:]) for span in spans for form in ["edit", "view"]]
    drawn = {}
    while sum(len(frames) for frames in drawn.values()) < 50:
        file, record, length = chance.choice(files)
        drawn.setdefault((file, record), set()).add(chance.randrange(length))
    read = 0
    for (file, record), frames in drawn.items():
        wanted = sorted(frames)
        found = bars.read(str(package / file), wanted)
        if found != [record + frame for frame in wanted]:
            failures.append(f"{file}: frames {wanted} say {found}, expected from {record}")
        read += len(found)
    print(f"{read} frames read in {len(drawn)} files")


def check_flashes(path, reel):
    """Frames that are white all over, by the mean of their middle."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v:0", "-vf", "crop=iw/4:ih/4,scale=1:1:flags=area"]
    means = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "gray", "-"], check=True, capture_output=True).stdout
    white = [reel["start"] + frame for frame, mean in enumerate(means) if mean > 225]
    if white != [TWO_POP, reel["picture"]["end"] + 2 * RATE - 1]:
        failures.append(f"{path.name}: white frames {white}")
    print(f"{path.name}: {len(means)} frames, white at {white}")


def check_pop(path, reel):
    """What is heard before the cut: 1 kHz for the samples of one frame, and nothing else."""
    before = (reel["picture"]["start"] - reel["start"]) * SAMPLES_PER_FRAME
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a:0", "-af", f"atrim=end_sample={before}"]
    command += ["-ac", "1", "-f", "s16le", "-c:a", "pcm_s16le", "-"]
    samples = array.array("h", subprocess.run(command, check=True, capture_output=True).stdout)
    start = (TWO_POP - reel["start"]) * SAMPLES_PER_FRAME
    if path.suffix == ".mov":
        loud = [index for index, sample in enumerate(samples) if sample]
        # The sine begins and may end at zero.
        seen = (loud[0] - 1, loud[-1] + 1)
        if abs(seen[0] - start) > 1 or abs(seen[1] - start - SAMPLES_PER_FRAME) > 1:
            failures.append(f"{path.name}: the pop lies at samples {seen}, expected from {start} for {SAMPLES_PER_FRAME}")
    else:
        # Coding spreads a hard edge over its own window: most of the power has to lie within the frame.
        power = lambda part: sum(sample * sample for sample in part)
        within = power(samples[start : start + SAMPLES_PER_FRAME]) / max(1, power(samples))
        seen = f"{within:.3f} of the power"
        if within < 0.95:
            failures.append(f"{path.name}: {within:.3f} of what is heard lies in the frame of the pop")
    pop = samples[start : start + SAMPLES_PER_FRAME]
    crossings = sum(1 for one, other in zip(pop, pop[1:]) if one < 0 <= other)
    # 1 kHz for 1/24 s: 41 whole waves and two thirds.
    if crossings not in (41, 42):
        failures.append(f"{path.name}: {crossings} waves in the frame of the pop")
    print(f"{path.name}: pop {seen}, {crossings} waves")


if __name__ == "__main__":
    sys.exit(main())
