"""The speed of writing cuts in every form, beside OpenTimelineIO's own writers.

Usage: exports.py PATH_OF_EXPORTS PYTHON_WITH_OPENTIMELINEIO

Prints, and fails where a limit in brackets is not kept:
- seconds and peak memory of making each form of a cut, in memory, of 1,000, 10,000 and 100,000 clips, each with a picture, two stems of two
  sides and a marker: ten times the clips take the program itself at most 15 times as long, once they take a tenth of a
  second (what the system takes to hand out gigabytes counts in the seconds that are printed, not in that limit);
- how many times longer OpenTimelineIO takes to read a cut of 300 clips and write it in a form that it has too.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMS = "edl edl32 resolve-markers avid-markers otio xmeml fcpxml ale reaper aaf adr-text adr-session adr-csv".split()
SIZES = [1_000, 10_000, 100_000]
ROUNDS = 3
# OpenTimelineIO's FCPXML takes a minute for 1,000.
COMPARED = 300
# The names of OpenTimelineIO's adapters.
THEIRS = {"edl": "cmx_3600", "otio": "otio_json", "xmeml": "fcp_xml", "fcpxml": "fcpx_xml", "ale": "ale"}

missed = []


def main():
    program, python = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        growth(program)
        beside_opentimelineio(program, python, folder)
    if missed:
        raise SystemExit("\n".join(missed))


def growth(program):
    print(f"{'form':16}" + "".join(f"{size:>12,} clips        " for size in SIZES), flush=True)
    times = {}
    for form in FORMS:
        cells = []
        for size in SIZES:
            rounds = ROUNDS if size < SIZES[-1] else 1
            seconds, mib, own, length = min(measure([program, str(size), form]) for _ in range(rounds))
            times[form, size] = own
            cells.append(f"{seconds:8.2f} s {mib:6.0f} MiB ({int(length) / 1e6:.0f} MB)")
        print(f"{form:16}" + " ".join(f"{cell:>26}" for cell in cells), flush=True)
        for less, more in zip(SIZES, SIZES[1:]):
            ratio = times[form, more] / max(times[form, less], 0.1)
            if ratio > 15:
                missed.append(f"not kept: {form}: {more:,} clips take {ratio:.1f} times as long as {less:,}")


def measure(command):
    """Seconds, peak memory in MiB, and own processor seconds of a program that ends well, and what it says."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"{command} ended with {status}")
    return seconds, usage.ru_maxrss / 1024, usage.ru_utime, said


def beside_opentimelineio(program, python, folder):
    source = folder / "cut.otio"
    subprocess.run([program, str(COMPARED), "otio", str(source)], check=True, stdout=subprocess.DEVNULL)
    script = "import sys, opentimelineio as o; t = o.adapters.read_from_file(sys.argv[1]); "
    # Its lists hold one picture track.
    script += "a = sys.argv[3]; t = t if a != 'cmx_3600' else (lambda s: (s.tracks.__delitem__(slice(1, None)), s)[1])(t); "
    script += "o.adapters.write_to_file(t, sys.argv[2], adapter_name=a)"
    for form, adapter in THEIRS.items():
        command = [python, "-c", script, str(source), str(folder / "theirs"), adapter]
        theirs = min(measure(command) for _ in range(ROUNDS))[0]
        ours = min(measure([program, str(COMPARED), form, str(folder / "ours")]) for _ in range(ROUNDS))[0]
        print(f"{form}: OpenTimelineIO {theirs:.2f} s, {theirs / ours:.0f} times as long", flush=True)


if __name__ == "__main__":
    main()
