"""The speed of measuring and trimming supplied assets, against ffprobe and ffmpeg.

Usage: assets.py PATH_OF_SEEDPOST

Prints two ratios, each measured in one run on the same files:
- how many times more files a second `seedpost probe` measures than one `ffprobe` a file does, on 1,000
  mixed assets; facts must be equal wherever both speak;
- the time of cutting 15 s out of a two-hour WAV, seedpost ÷ ffmpeg -c copy (below 1 is faster), and
  seedpost's peak memory.
"""

import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ASSETS = 1000
RUNS = 15


def main():
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        print(measure(program, Path(folder)))
        print(trim(program, Path(folder)))


# ---------------------------------------------------------------- 1,000 mixed assets


def measure(program, folder):
    files = make_assets(folder)
    begin = time.perf_counter()
    said = subprocess.run([program, "probe", "--json", *files], check=True, capture_output=True, text=True).stdout
    ours = time.perf_counter() - begin
    begin = time.perf_counter()
    theirs = {}
    for file in files:
        command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", file]
        theirs[file] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    other = time.perf_counter() - begin
    compared = sum(compare(item["file"], item["info"], theirs[item["file"]]) for item in json.loads(said)["files"])
    return f"measure {len(files)} assets: seedpost {ours:6.2f} s   ffprobe {other:6.2f} s   {other / ours:.0f} times the throughput; {compared} facts equal"


def make_assets(folder):
    """A thousand files of a dozen kinds: copies of a few dozen different ones."""
    lavfi = lambda text: ["-f", "lavfi", "-i", text]
    picture = lambda size: lavfi(f"testsrc2=size={size}:rate=24:duration=1")
    sound = lambda rate, seconds: lavfi(f"sine=frequency=440:sample_rate={rate}:duration={seconds}")
    kinds = []
    for size in ["640x480", "1280x720", "1920x1080"]:
        kinds += [(f"{size}.{ending}", [*picture(size), "-frames:v", "1"]) for ending in ["jpg", "png", "webp", "bmp", "tiff", "gif"]]
        codec = ["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
        kinds += [(f"{size}.{ending}", [*picture(size), *sound(48000, 1), *codec]) for ending in ["mp4", "mov"]]
    for rate, seconds in [(48000, 15), (44100, 7.5), (16000, 3)]:
        kinds += [(f"{rate}_{depth}.wav", [*sound(rate, seconds), "-c:a", depth]) for depth in ["pcm_s16le", "pcm_s24le", "pcm_f32le"]]
        kinds += [(f"{rate}.{ending}", sound(rate, seconds)) for ending in ["mp3", "flac", "m4a", "aiff"]]
    originals = []
    for name, arguments in kinds:
        file = folder / name
        subprocess.run(["ffmpeg", "-v", "error", *arguments, str(file)], check=True)
        originals.append(file)
    files = []
    for number in range(ASSETS):
        original = originals[number % len(originals)]
        copy = folder / f"{number:04}_{original.name}"
        copy.write_bytes(original.read_bytes())
        files.append(str(copy))
    return files


def compare(name, ours, theirs):
    """Raises where the two disagree; answers how many facts were compared."""
    stream = lambda kind: next((s for s in theirs["streams"] if s["codec_type"] == kind), None)
    facts = []
    still, video, audio = ours["still"], ours["video"], ours["audio"]
    picture = stream("video")
    if still:
        facts += [(still["width"], picture["width"]), (still["height"], picture["height"])]
    if video:
        facts += [(video["width"], picture["width"]), (video["height"], picture["height"]), (video["codec"], picture["codec_name"])]
        facts += [(video["frames"], int(picture["nb_frames"])), (ratio(video["rate"]), ratio(picture["r_frame_rate"]))]
    if audio:
        sound = stream("audio")
        facts += [(audio["codec"], sound["codec_name"]), (audio["sample_rate"], int(sound["sample_rate"])), (audio["channels"], sound["channels"])]
        # This ffprobe counts an MP3's lead and padding as sound; an MP4's clock may not be samples.
        if ours["container"] in ("wav", "flac", "aiff"):
            facts += [(audio["samples"], sound["duration_ts"])]
    for found, expected in facts:
        if found != expected:
            raise SystemExit(f"{name}: seedpost says {found}, ffprobe {expected}")
    return len(facts)


def ratio(text):
    num, _, den = str(text).partition("/")
    return float(num) / float(den or 1)


# ---------------------------------------------------------------- 15 s of two hours


def trim(program, folder):
    reel = sparse_reel(folder / "reel.wav")
    ours = [program, "conform", "--force", "--sound", reel, "--from", "01:00:00", "--until", "01:00:15", "--to", str(folder / "a.wav")]
    theirs = ["ffmpeg", "-v", "error", "-y", "-ss", "01:00:00", "-t", "15", "-i", reel, "-c", "copy", str(folder / "b.wav")]
    times = {"ours": [], "theirs": []}
    for _ in range(RUNS):
        for name, command in [("ours", ours), ("theirs", theirs)]:
            begin = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - begin)
    a, b = (statistics.median(times[name]) * 1000 for name in ["ours", "theirs"])
    # ffmpeg cuts at its own packets, and so to some samples more.
    if length(folder / "a.wav") != 720000:
        raise SystemExit("seedpost's cut is not 720000 samples")
    return f"trim 15 s of 2 h ({Path(reel).stat().st_size / 1e9:.1f} GB): seedpost {a:6.1f} ms   ffmpeg {b:6.1f} ms   ratio {a / b:.2f}; peak memory {peak_mib(ours):.0f} MiB"


def sparse_reel(path):
    """Two hours of 48 kHz, 24-bit stereo silence that takes no room on the disk, with a tone where it is cut."""
    data = 2 * 3600 * 48000 * 6
    header = b"RIFF" + struct.pack("<I", 36 + data) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 48000, 288000, 6, 24)
    with open(path, "wb") as file:
        file.write(header + b"data" + struct.pack("<I", data))
        file.truncate(44 + data)
        file.seek(44 + 3600 * 288000)
        file.write(bytes(range(256)) * 16000)
    return str(path)


def length(file):
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=duration_ts", "-of", "csv=p=0", str(file)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_mib(command):
    """The peak resident memory of one run, by the system's own count."""
    script = "import resource,subprocess,sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    said = subprocess.run([sys.executable, "-c", script, *command], check=True, capture_output=True, text=True).stdout
    return int(said) / 1024


if __name__ == "__main__":
    main()
