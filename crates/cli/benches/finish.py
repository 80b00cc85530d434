"""The speed of finishing clips of any model, against ffprobe and ffmpeg doing the same.

Usage: finish.py PATH_OF_SEEDPOST PATH_OF_FLOOR

Everything is measured in turns on the same files, with as many jobs at once as there are cores. Prints, and fails
where a limit in brackets is not kept:
- how many times more clips `finish` makes ready than four commands a clip do, and than one ffmpeg a clip does, with
  the seconds of processor time of each; the results must be the same;
- how many times more clips `probe` measures than one ffprobe a clip does;
- how long the program takes to start, and whom it loads and starts;
- the peak memory of finishing a short clip and a very long one;
- the time of a clip as a multiple of what nobody can save: decoding its sound, measuring its loudness, copying it.
Needs 4 GB of room in the temporary folder.
"""

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from assets import compare, length, peak_mib

CLIPS = 60
PROBED = 500
ROUNDS = 3
JOBS = str(os.cpu_count())
ROOM = 4 << 30

FFMPEG = "ffmpeg -v error -y -i"
# The loudness is told at the level of notes, and only there.
LOUDNESS = "ebur128=peak=true:framelog=verbose"
LISTEN = "ffmpeg -hide_banner -nostats -y -i"
FOUR_COMMANDS = f"""
ffprobe -v error -show_format -show_streams "$1" > "$2/$3.txt" &&
{FFMPEG} "$1" -c copy -an -movflags +faststart "$2/$3.mp4" &&
{FFMPEG} "$1" -vn -c:a pcm_s24le "$2/$3.wav" &&
{LISTEN} "$1" -vn -af {LOUDNESS} -f null - 2> "$2/$3.loudness"
"""
ONE_COMMAND = f"""
{LISTEN} "$1" -map 0:v -c copy -an -movflags +faststart "$2/$3.mp4" -map 0:a -c:a pcm_s24le "$2/$3.wav" \
  -map 0:a -af {LOUDNESS} -f null - 2> "$2/$3.loudness"
"""

# What ffmpeg does too: sound is not taken apart.
FINISH = ["finish", "--lane", "strip", "--no-separation", "--out"]

missed = []


def main():
    program, floor = (str(Path(argument).resolve()) for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        require(shutil.disk_usage(folder).free > ROOM, f"less than {ROOM >> 30} GB of room in {folder}")
        originals = make_clips(folder)
        clips = linked(originals, folder / "clips", CLIPS)
        for section in [
            lambda: finish(program, clips, folder),
            lambda: probe(program, originals, folder),
            lambda: start(program, originals, folder),
            lambda: memory(program, originals[0], folder),
            lambda: multiple(program, floor, originals, clips, folder),
        ]:
            print(section(), flush=True)
    if missed:
        raise SystemExit("\n".join(missed))


def require(holds, otherwise):
    if not holds:
        raise SystemExit(otherwise)


def limit(holds, what):
    """Notes a limit that is not kept; the rest is measured all the same."""
    if not holds:
        missed.append(f"not kept: {what}")


# ---------------------------------------------------------------- clips


def make_clips(folder):
    """Three clips of 15 s with B-frames, moov at the end: a voice, noise, and both in turns."""
    # A buzz that glides and comes in syllables and sentences, as a voice does.
    voice = "0.5*(mod(110*t+3*sin(2*t),1)-0.5)*max(0,sin(2*PI*3.1*t))*gt(mod(t,3),0.7)+0.002*random(0)"
    noise = "0.2*(2*random(1)-1)"
    sounds = {"voice": voice, "noise": noise, "turns": f"if(lt(mod(t,4),2),{voice},{noise})"}
    clips = []
    for name, sound in sounds.items():
        clip = folder / f"{name}.mp4"
        picture = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=24:duration=15"]
        heard = ["-f", "lavfi", "-i", f"aevalsrc='{sound}|{sound}':s=48000:d=15"]
        codecs = ["-c:v", "libx264", "-preset", "superfast", "-bf", "2", "-pix_fmt", "yuv420p", "-af", "lowpass=6000"]
        subprocess.run(["ffmpeg", "-v", "error", *picture, *heard, *codecs, "-c:a", "aac", str(clip)], check=True)
        clips.append(clip)
    return clips


def linked(originals, folder, count):
    """So many clips of different names: a few, again and again."""
    folder.mkdir()
    clips = []
    for number in range(count):
        clip = folder / f"{number:03}.mp4"
        os.link(originals[number % len(originals)], clip)
        clips.append(str(clip))
    return clips


# ---------------------------------------------------------------- commands


def seedpost(program, *arguments, jobs=JOBS, check=True, **environment):
    environment = os.environ | {"RAYON_NUM_THREADS": jobs} | environment
    command = [program, *map(str, arguments), "--progress", "none"]
    return subprocess.run(command, env=environment, check=check, stdout=subprocess.DEVNULL).returncode


def each(script, clips, out):
    """Runs a shell script for each clip, several at once; its arguments are the clip, the folder and a name."""
    lines = "".join(f"{clip}\n{out}\n{Path(clip).stem}\n" for clip in clips)
    command = ["xargs", "-P", JOBS, "-n", "3", "sh", "-c", script, "sh"]
    subprocess.run(command, input=lines, text=True, check=True, stdout=subprocess.DEVNULL)


def in_turns(ways, folder, rounds=ROUNDS):
    """Runs ways of doing the same in turns, each into an empty folder of its own; the last round's are left.

    Answers the median seconds of each, and the median seconds of processor time.
    """
    times = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways) if number % 2 == 0 else list(reversed(ways))
        for name in names:
            out = folder / name
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            begin, used = time.perf_counter(), processor_seconds()
            ways[name](out)
            times[name].append((time.perf_counter() - begin, processor_seconds() - used))
    return {name: tuple(map(statistics.median, zip(*found))) for name, found in times.items()}


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---------------------------------------------------------------- finish


def finish(program, clips, folder):
    ways = {
        "seedpost": lambda out: seedpost(program, *FINISH, out, *clips),
        "shell": lambda out: each(FOUR_COMMANDS, clips, out),
        "one": lambda out: each(ONE_COMMAND, clips, out),
    }
    times = in_turns(ways, folder)
    for clip in clips[:3]:
        same(folder / "seedpost" / Path(clip).stem, [folder / way / Path(clip).stem for way in ["shell", "one"]])
    for name in ways:
        shutil.rmtree(folder / name)
    (ours, our_cpu), (shell, shell_cpu), (one, one_cpu) = times.values()
    limit(shell / ours >= 6, f"{shell / ours:.1f} times the throughput of four commands a clip")
    limit(one / ours >= 2.5, f"{one / ours:.1f} times the throughput of one ffmpeg a clip")
    return (
        f"finish {len(clips)} clips of 15 s, {JOBS} at once: seedpost {ours:.2f} s, "
        f"shell {shell:.2f} s, {shell / ours:.1f} times the throughput (at least 6); "
        f"one ffmpeg {one:.2f} s, {one / ours:.1f} times (at least 2.5); "
        f"processor seedpost {our_cpu:.2f} s, shell {shell_cpu:.2f} s, one ffmpeg {one_cpu:.2f} s"
    )


def same(ours, theirs):
    """Ends the programme where two ways came to different results."""
    samples = length(ours / "stem.wav")
    require(samples == 720000, f"{ours}: a stem of {samples} samples")
    facts = json.loads((ours / "facts.json").read_text())
    loudness = facts["sound"]["loudness"]["integrated_lufs"]
    for other in theirs:
        said = float(re.findall(r"I:\s+(-?[\d.]+) LUFS", other.with_suffix(".loudness").read_text())[-1])
        require(abs(loudness - said) <= 0.1, f"{ours}: {loudness} LUFS, ffmpeg says {said}")
        require(picture(ours / "picture.mp4") == picture(other.with_suffix(".mp4")), f"{ours}: another picture")


def picture(file):
    command = ["ffmpeg", "-v", "error", "-i", str(file), "-map", "0", "-c", "copy", "-f", "streamhash", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# ---------------------------------------------------------------- probe


def probe(program, originals, folder):
    clips = linked(originals, folder / "probed", PROBED)
    ffprobe = 'ffprobe -v error -show_format -show_streams -of json "$1" > "$2/$3.json"'
    ways = {
        "ours": lambda out: seedpost(program, "probe", "--json", *clips),
        "ffprobe": lambda out: each(ffprobe, clips, out),
    }
    (ours, _), (theirs, _) = in_turns(ways, folder).values()
    command = [program, "probe", "--json", *clips[:3]]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["files"]
    told = [json.loads((folder / "ffprobe" / f"{Path(clip).stem}.json").read_text()) for clip in clips[:3]]
    facts = sum(compare(item["file"], item["info"], other) for item, other in zip(said, told))
    limit(theirs / ours >= 20, f"probe: {theirs / ours:.1f} times the throughput of ffprobe")
    return (
        f"probe {len(clips)} clips, {JOBS} at once: seedpost {ours:.3f} s, ffprobe {theirs:.2f} s, "
        f"{theirs / ours:.0f} times the throughput (at least 20); {facts} facts of 3 clips equal"
    )


# ---------------------------------------------------------------- start


def start(program, originals, folder):
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        subprocess.run([program, "--version"], check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - begin) * 1000)
    median = statistics.median(times)
    limit(median <= 10, f"--version takes {median:.1f} ms")
    loaded = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    require(not re.search(r"lib(av|sw)\w+\.so", loaded), f"FFmpeg is loaded:\n{loaded}")
    none, once = workers(program, originals, folder / "a"), workers(program, foreign_clips(folder), folder / "b")
    limit((none, once) == (0, 1), f"{none} workers for MP4, {once} for others")
    return f"--version: {median:.1f} ms (at most 10); no libav is loaded; workers: {none} for 3 MP4, {once} for 2 MOV and 2 WebM"


def foreign_clips(folder):
    """Clips that the program does not read by itself."""
    clips = []
    kinds = [("mov", ["-c:v", "prores_ks", "-c:a", "pcm_s16le"]), ("webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime"])]
    for ending, codecs in kinds:
        for number in range(2):
            clip = folder / f"{ending}{number}.{ending}"
            sources = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=24:duration=2", "-f", "lavfi", "-i", "sine=duration=2"]
            subprocess.run(["ffmpeg", "-v", "error", *sources, *codecs, str(clip)], check=True)
            clips.append(clip)
    return clips


def workers(program, clips, out):
    """How many FFmpeg workers one run starts."""
    out.mkdir()
    started, wrapper = out / "started", out / "worker"
    started.touch()
    worker = Path(program).with_name("seedpost-av")
    wrapper.write_text(f'#!/bin/sh\necho started >> "{started}"\nexec "{worker}" "$@"\n')
    wrapper.chmod(0o755)
    code = seedpost(program, *FINISH, out / "finished", *clips, check=False, SEEDPOST_AV=str(wrapper))
    limit(code == 0, f"finish of {', '.join(clip.name for clip in clips)} ended with {code}")
    return len(started.read_text().splitlines())


# ---------------------------------------------------------------- memory


def memory(program, clip, folder):
    long = two_hours(folder)
    out = folder / "memory"
    peaks = [peak_mib([program, *FINISH, str(out), str(file)]) for file in [clip, long]]
    samples = length(out / long.stem / "stem.wav")
    require(samples >= 7200 * 48000, f"a stem of {samples} samples for two hours")
    size = long.stat().st_size / 1e6
    shutil.rmtree(out)
    long.unlink()
    limit(peaks[0] <= 60, f"{peaks[0]:.0f} MiB for a clip of 15 s")
    limit(peaks[1] <= 120, f"{peaks[1]:.0f} MiB for two hours")
    return f"peak memory: {peaks[0]:.0f} MiB for a clip of 15 s (at most 60), {peaks[1]:.0f} MiB for two hours, {size:.0f} MB (at most 120)"


def two_hours(folder):
    """A minute, 120 times."""
    minute, long = folder / "minute.mp4", folder / "long.mp4"
    sources = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=24:duration=60", "-f", "lavfi", "-i", "anoisesrc=duration=60:sample_rate=48000:amplitude=0.2"]
    codecs = ["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2"]
    subprocess.run(["ffmpeg", "-v", "error", *sources, *codecs, str(minute)], check=True)
    loop = ["-stream_loop", "119", "-i", str(minute), "-map", "0", "-c", "copy", str(long)]
    subprocess.run(["ffmpeg", "-v", "error", *loop], check=True)
    return long


# ---------------------------------------------------------------- the floor


def multiple(program, floor, originals, clips, folder):
    """What a clip takes in one thread, beside the least that it can take."""
    ways = {"alone": lambda out: seedpost(program, *FINISH, out, *clips, jobs="1")}
    seconds, used = in_turns(ways, folder)["alone"]
    parts = []
    for clip in originals:
        command = [floor, str(clip), str(folder / "copy")]
        parts.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    least = {name: statistics.mean(part[name] for part in parts) * 1000 for name in ["decode", "loudness", "copy"]}
    total, ours, ours_cpu = sum(least.values()), seconds / len(clips) * 1000, used / len(clips) * 1000
    told = " + ".join(f"{name} {value:.1f} ms" for name, value in least.items())
    return (
        f"floor of a clip: {told} = {total:.1f} ms; finish in one thread {ours:.1f} ms, {ours / total:.2f} times; "
        f"of the processor {ours_cpu:.1f} ms"
    )


if __name__ == "__main__":
    main()
