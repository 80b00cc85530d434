"""A turnover of 60 shots of 4 s at 720p, beside shell scripts that make with ffmpeg what ffmpeg can make of it.

Usage: turnover.py PATH_OF_SEEDPOST

Both scripts make the same files of the same size, with the same codecs and presets: each shot's picture reference with burnt-in timecode as
DNxHR with PCM and as H.264 with AAC, a still, the two sides of its stem, and the reel of all shots with leader, pops and
tail in both forms. The plain one runs ffmpeg once for each file; the frugal one decodes each shot once for both forms
and lays the reel out of what was encoded by stream copy. What ffmpeg cannot do (timelines, report, history, manifest) is
in seedpost's whole time too. Prints the stages, both ratios and the peak memory of the program and its workers together. Needs 4 GB of room in the temporary
folder, and a font for ffmpeg's drawtext (fontconfig's choice).
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from takes import Simulator, peak_mib, require

SHOTS = 60
FRAMES = 96
LEADER, TAIL = 240, 96
START = 86_400
LIMIT = 3.0

VIEW = "-c:v libx264 -preset ultrafast -crf 23 -bf 0 -g 12 -pix_fmt yuv420p -c:a aac -b:a 256k -movflags +faststart"
EDIT = "-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p -c:a pcm_s24le"


def main():
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        shots = make_list(folder)
        with Simulator(program, folder, clip=make_clip) as simulator:
            simulator.run(program, shots, "--no-separation")
            ours, stages, peak = turnover(program, shots)
        project = shots.parent
        plain = timed(script(project, folder / "plain", frugal=False))
        frugal = timed(script(project, folder / "frugal", frugal=True))
    words = ", ".join(f"{stage['stage']} {stage['ms'] / 1000:.1f}" for stage in stages)
    print(f"turnover of {SHOTS} shots: seedpost {ours:.1f} s (in seconds: {words}); peak memory {peak:.0f} MiB")
    print(f"  one ffmpeg a file: {plain:.1f} s, {plain / ours:.2f} times as long; decoding once, reel by copy: {frugal:.1f} s, {frugal / ours:.2f}")
    require(plain / ours >= LIMIT, f"the plain script takes less than {LIMIT} times as long")


def make_list(folder):
    """Shots whose sound is taken off and becomes a guide."""
    render = 'title = "Bench"\n[render]\nprovider = "simulator"\ntier = "fast"\nresolution = "720p"\naspect_ratio = "16:9"\n'
    shot = '\n[[shot]]\nid = "SH{:04}"\nprompt = "A street market at dawn."\nduration = 4\nlane = "strip"\ngenerate_audio = true\n'
    shots = folder / "project" / "shots.toml"
    shots.parent.mkdir()
    shots.write_text(render + "".join(shot.format(number) for number in range(1, SHOTS + 1)))
    return shots


def make_clip(folder):
    """What a shot of 4 s at 720p promises, with some grain."""
    clip = str(folder / "canned.mp4")
    picture = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=24:duration=4,noise=alls=8:allf=t"]
    sound = ["-f", "lavfi", "-i", "anoisesrc=duration=4:sample_rate=48000:amplitude=0.2"]
    codecs = ["-c:v", "libx264", "-crf", "21", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2"]
    subprocess.run(["ffmpeg", "-v", "error", *picture, *sound, *codecs, "-movflags", "+faststart", clip], check=True)
    return clip


def turnover(program, shots):
    command = [program, "turnover", str(shots), "--json", "--progress", "none"]
    with tempfile.TemporaryFile("w+") as out:
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdout=out)
        peak = 0
        while child.poll() is None:
            peak = max(peak, sum(peak_mib(pid) for pid in family(child.pid)))
            time.sleep(0.1)
        seconds = time.perf_counter() - begin
        require(child.returncode == 0, f"the turnover ended with {child.returncode}")
        out.seek(0)
        return seconds, json.load(out)["stages"], peak


def family(pid):
    """A program and its workers."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    try:
        return [pid, *(int(child) for task in tasks for child in task.read_text().split())]
    except OSError:
        return [pid]


def script(project, out, frugal):
    """A shell script, as one would write it by hand."""
    out.mkdir()
    lines = ["set -e", f"cd {shlex.quote(str(out))}", "exec < /dev/null"]
    takes = sorted((project / "takes").glob("*/T01"))
    for index, take in enumerate(takes):
        name, record = f"{take.parent.name}_T01", START + index * FRAMES
        picture = shlex.quote(str(take / "picture.mp4"))
        guide = shlex.quote(str(take / "stems" / f"{name}_GUIDE.wav"))
        burn, inputs = drawn(record, name), f"-i {picture} -i {guide}"
        edit = f"{EDIT} -timecode 00:00:00:00 -metadata:s:v:0 reel_name={name}"
        if frugal:
            maps = "-map '[a]' -map 1:a", "-map '[b]' -map 1:a"
            lines.append(f"ffmpeg -v error {inputs} -filter_complex \"[0:v]{burn},split[a][b]\" {maps[0]} {edit} {name}.mov {maps[1]} {VIEW} {name}.mp4")
        else:
            lines.append(f'ffmpeg -v error {inputs} -map 0:v -map 1:a -vf "{burn}" {edit} {name}.mov')
            lines.append(f'ffmpeg -v error {inputs} -map 0:v -map 1:a -vf "{burn}" {VIEW} {name}.mp4')
        lines.append(f"ffmpeg -v error -ss 2 -i {picture} -frames:v 1 -vf scale=480:-2 {name}.jpg")
        sides = "[0:a]channelsplit[l][r]"
        lines.append(f"ffmpeg -v error -i {guide} -filter_complex '{sides}' -map '[l]' -c:a pcm_s24le {name}.L.wav -map '[r]' -c:a pcm_s24le {name}.R.wav")
        lines.append(f"cp {picture} {guide} .")
    lines += reel_sound(takes)
    lines += reel_copied(takes) if frugal else reel_again(takes)
    path = out / "make.sh"
    path.write_text("\n".join(lines) + "\n")
    return path


def drawn(record, name):
    """Record timecode, name and frame number, as ffmpeg burns them in."""
    label = timecode(record).replace(":", "\\\\:")
    box = "fontcolor=white:fontsize=36:box=1:boxcolor=black"
    return (
        f"drawtext=timecode='{label}':rate=24:x=40:y=h-80:{box},drawtext=text='{name}':x=40:y=40:{box},"
        f"drawtext=text='%{{n}}':x=w-200:y=40:{box}"
    )


def timecode(frame):
    return f"{frame // 86400:02}:{frame // 1440 % 60:02}:{frame // 24 % 60:02}:{frame % 24:02}"


def reel_sound(takes):
    """Leader with a 2-pop, stems end to end, tail with a pop."""
    silence = lambda frames: f"anullsrc=r=48000:cl=stereo:d={frames / 24}"
    pop = "sine=f=1000:r=48000:d=0.0416667,volume=-2dB"
    stems = "".join(f"file '{take}/stems/{take.parent.name}_T01_GUIDE.wav'\n" for take in takes)
    parts = [silence(192), pop, silence(47), silence(47), pop, silence(48)]
    inputs = " ".join(f"-f lavfi -i '{part}'" for part in parts)
    order = "[1][2][3][0][4][5][6]concat=n=7:v=0:a=1"
    return [
        f"printf %s {shlex.quote(stems)} > stems.txt",
        f"ffmpeg -v error -f concat -safe 0 -i stems.txt {inputs} -filter_complex '{order}' -c:a pcm_s24le reel.wav",
        "ffmpeg -v error -i reel.wav -filter_complex '[0:a]channelsplit[l][r]' -map '[l]' -c:a pcm_s24le reel.L.wav -map '[r]' -c:a pcm_s24le reel.R.wav",
    ]


def reel_again(takes):
    """The reel from the sources, once for each form."""
    pictures = "".join(f"file '{take}/picture.mp4'\n" for take in takes)
    burn = drawn(START - LEADER, "reel")
    chain = f"[0:v][1:v][2:v]concat=n=3,{burn}[v]"
    black = [f"-f lavfi -i color=black:s=1280x720:r=24:d={frames / 24}" for frames in (LEADER, TAIL)]
    inputs = f"{black[0]} -f concat -safe 0 -i pictures.txt {black[1]} -i reel.wav"
    return [f"printf %s {shlex.quote(pictures)} > pictures.txt"] + [
        f'ffmpeg -v error {inputs} -filter_complex "{chain}" -map "[v]" -map 3:a {codec} reel.{ending}'
        for codec, ending in [(f"{EDIT} -timecode {timecode(START - LEADER)}", "mov"), (VIEW, "mp4")]
    ]


def reel_copied(takes):
    """The reel out of what was encoded."""
    lines = []
    for codec, ending in [(EDIT, "mov"), (VIEW, "mp4")]:
        for name, frames, record in [("leader", LEADER, START - LEADER), ("tail", TAIL, START + len(takes) * FRAMES)]:
            black = f"-f lavfi -i color=black:s=1280x720:r=24:d={frames / 24}"
            lines.append(f'ffmpeg -v error {black} -vf "{drawn(record, name)}" -an {codec} {name}.{ending}')
        names = ["leader", *(f"{take.parent.name}_T01" for take in takes), "tail"]
        parts = "".join(f"file '{name}.{ending}'\n" for name in names)
        sound = "-c:a pcm_s24le" if ending == "mov" else "-c:a aac -b:a 256k"
        lines.append(f"printf %s {shlex.quote(parts)} > {ending}.txt")
        lines.append(f"ffmpeg -v error -f concat -safe 0 -i {ending}.txt -i reel.wav -map 0:v -map 1:a -c:v copy {sound} reel.{ending}")
    return lines


def timed(path):
    begin = time.perf_counter()
    done = subprocess.run(["bash", str(path)], capture_output=True, text=True, env=os.environ)
    require(done.returncode == 0, done.stderr)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
