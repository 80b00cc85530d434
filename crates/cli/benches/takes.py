"""How much time and memory seedpost needs itself to render and to finish 1,000 takes, 100 at a time.

Usage: takes.py PATH_OF_SEEDPOST

The simulator answers at once, keeps each job waiting for 2 s and delivers one canned clip of 4 s at 480p: what
is measured is seedpost and not an encoder. Prints two lines:
- the time of rendering all takes, as a ratio to the ideal: the waits alone, end to end;
- the time of finishing them: measuring, taking the sound off, stems.
Both with seedpost's peak memory, the first with the simulator's too. Each take must be done, and charged once.
Needs Linux (/proc), and 3 GB of room in the temporary folder.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TAKES = 1000
AT_ONCE = 100
QUEUE = 2


def main():
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        shots = make_list(Path(folder))
        with Simulator(program, Path(folder)) as simulator:
            render(program, shots, simulator)
            finish(program, shots, simulator)


def render(program, shots, simulator):
    seconds, peak = simulator.run(program, shots, "--no-finish")
    states = [take["state"] for take in simulator.json(program, "status", shots)["takes"]]
    done, charges = states.count("done"), simulator.charges()
    require(done == len(states) == TAKES, f"{done} of {len(states)} takes are done")
    require(charges == TAKES, f"{charges} charges for {TAKES} takes")
    ideal = -(-TAKES // AT_ONCE) * QUEUE
    print(
        f"render {TAKES} takes, {AT_ONCE} at a time, of {QUEUE} s each: seedpost {seconds:6.2f} s   ideal {ideal:6.2f} s   "
        f"ratio {seconds / ideal:.2f}; peak memory {peak:.0f} MiB, of the simulator {simulator.peak_mib():.0f} MiB; "
        f"{done} done, {charges} charges",
        flush=True,
    )


def finish(program, shots, simulator):
    seconds, peak = simulator.run(program, shots)
    facts = len(list(shots.parent.glob("takes/*/*/facts.json")))
    require(facts == TAKES, f"{facts} of {TAKES} takes are finished")
    require(simulator.charges() == TAKES, "finishing takes was charged")
    print(f"finish {TAKES} takes: seedpost {seconds:6.2f} s, {seconds / TAKES * 1000:.1f} ms each; peak memory {peak:.0f} MiB")


def require(holds, otherwise):
    if not holds:
        raise SystemExit(otherwise)


def make_list(folder):
    """Shots with sound, which is taken off and becomes a stem."""
    render = '[render]\nprovider = "simulator"\ntier = "fast"\nresolution = "480p"\naspect_ratio = "16:9"\n'
    shot = '\n[[shot]]\nid = "SH{:04}"\nprompt = "A street market at dawn, take {}."\nduration = 4\nlane = "strip"\ngenerate_audio = true\n'
    shots = folder / "project" / "shots.toml"
    shots.parent.mkdir()
    shots.write_text(render + "".join(shot.format(number, number) for number in range(1, TAKES + 1)))
    return shots


def make_clip(folder):
    """What a shot of 4 s at 480p promises: 864×496, 96 frames, AAC 48 kHz stereo, moov in front."""
    clip = str(folder / "canned.mp4")
    picture = ["-f", "lavfi", "-i", "testsrc2=size=864x496:rate=24:duration=4"]
    sound = ["-f", "lavfi", "-i", "anoisesrc=duration=4:sample_rate=48000:amplitude=0.2"]
    codecs = ["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2"]
    subprocess.run(["ffmpeg", "-v", "error", *picture, *sound, *codecs, "-movflags", "+faststart", clip], check=True)
    return clip


def peak_mib(pid):
    """The peak resident memory of a process so far; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


class Simulator:
    """A simulator in a process of its own, and commands that talk to it."""

    def __init__(self, program, folder, clip=None):
        self.folder = folder
        made = (clip or make_clip)(folder)
        command = [program, "simulator", "--listen", "127.0.0.1:0", "--clip", made, "--queue", str(QUEUE)]
        self.child = subprocess.Popen([*command, "--folder", str(folder / "simulator")], stdout=subprocess.PIPE, text=True)
        line = self.child.stdout.readline()
        require(line, "the simulator did not start")
        self.url = json.loads(line)["url"]
        keys = ("FAL_KEY", "SEEDPOST_FAL_URL")
        self.environment = {name: value for name, value in os.environ.items() if name not in keys}
        self.environment["SEEDPOST_SIMULATOR_URL"] = self.url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()

    def run(self, program, shots, *flags):
        """Runs a list; answers how many seconds it took, and its peak memory in MiB."""
        command = [program, "run", str(shots), "--concurrency", str(AT_ONCE), "--progress", "none", *flags]
        errors = self.folder / "errors"
        with open(errors, "w") as sink:
            begin = time.perf_counter()
            child = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=sink)
            peak = 0
            while True:
                peak = max(peak, peak_mib(child.pid))
                try:
                    code = child.wait(timeout=0.02)
                    break
                except subprocess.TimeoutExpired:
                    pass
            seconds = time.perf_counter() - begin
        require(code == 0, f"seedpost run ended with {code}\n{errors.read_text()[-2000:]}")
        return seconds, peak

    def json(self, program, *arguments):
        command = [program, *map(str, arguments), "--json"]
        return json.loads(subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout)

    def peak_mib(self):
        return peak_mib(self.child.pid)

    def charges(self):
        """How many different jobs were charged."""
        request = urllib.request.Request(f"{self.url}/_simulator/bills", headers={"Authorization": "Key x"})
        # No proxy stands between this machine and itself.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            bills = json.load(answer)
        require(len({bill["request_id"] for bill in bills}) == len(bills), "a job was charged twice")
        return len(bills)


if __name__ == "__main__":
    main()
