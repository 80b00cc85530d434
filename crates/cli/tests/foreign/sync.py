"""Compares what `seedpost sync` tells of renders with what is true of them.

usage: sync.py SEEDPOST FOLDER

FOLDER is what renders.py made. Each clip is compared with its own recording, with a stranger's, and with itself without
its sound's first half. Prints a line a clip and the sums as JSON; what they must be is for the caller to say.
A phrase is right where both its ends are within 20 ms of the truth, and wrong where one is more than 40 ms off.
"""

import json
import subprocess
import sys
from pathlib import Path

MS = 48


def main():
    program, folder = sys.argv[1], Path(sys.argv[2])
    clips = json.loads((folder / "truth.json").read_text())
    sums = {"phrases": 0, "known": 0, "right": 0, "wrong": 0, "absent": 0, "absent_known": 0}
    for number, clip in enumerate(clips):
        found = sync(program, folder, clip["clip"], clip["reference"])
        lines = [judge(phrase, found["certain"], clip, sums) for phrase in found["phrases"]]
        print(clip["clip"], "; ".join(lines), file=sys.stderr)
        stranger = next(other for other in clips[number + 1 :] + clips if other["source"] != clip["source"])
        other = sync(program, folder, clip["clip"], stranger["reference"])
        sums["absent"] += len(other["phrases"])
        sums["absent_known"] += sum(phrase["found"] is not None for phrase in other["phrases"])
        if other["clip"]["verdict"] != "cannot_tell":
            print(f"{clip['clip']} beside {stranger['reference']}: {other['clip']['verdict']}", file=sys.stderr)
    print(json.dumps(sums))


def sync(program, folder, clip, reference):
    command = [program, "sync", str(folder / clip), "--reference", str(folder / reference), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    # 4: out of sync, as these are.
    if done.returncode not in (0, 4):
        raise SystemExit(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)["clips"][0]["sync"]


def judge(phrase, certain, clip, sums):
    start, end = phrase["source"]["start"], phrase["source"]["end"]
    index = max(range(len(clip["phrases"])), key=lambda at: overlap(clip["phrases"][at], (start, end)))
    truth = clip["truth"][index]
    if truth is None or overlap(clip["phrases"][index], (start, end)) <= 0:
        sums["absent"] += 1
        sums["absent_known"] += phrase["found"] is not None
        return "absent" if phrase["found"] is None else f"absent, but known with {phrase['confidence']:.2f}"
    sums["phrases"] += 1
    if phrase["found"] is None:
        return f"cannot tell ({phrase['confidence']:.2f})"
    sums["known"] += 1
    errors = [found - spoken(truth, place) for found, place in
              ((phrase["found"]["start"], start), (phrase["found"]["end"], end))]
    worst = max(map(abs, errors))
    sums["right"] += worst <= 20 * MS
    sums["wrong"] += worst > 40 * MS
    return f"{errors[0] / MS:+.0f} {errors[1] / MS:+.0f} ms"


def overlap(one, other):
    return min(one[1], other[1]) - max(one[0], other[0])


def spoken(borders, place):
    """Where the clip speaks a sample of the reference; beyond a phrase's ends at the tempo of its last piece."""
    pieces = list(zip(borders, borders[1:]))
    for (a, b), (c, d) in pieces:
        if place <= c or (c, d) == tuple(borders[-1]):
            return b + (place - a) * (d - b) / (c - a)
    raise AssertionError("there is a last piece")


if __name__ == "__main__":
    main()
