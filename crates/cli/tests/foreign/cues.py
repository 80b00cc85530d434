"""Reads ADR cues with ptulsconv and prints them as JSON.

Usage: cues.py SESSION.txt [TABLE.csv]

`ptulsconv -f tagged` reads the text. `ptulsconv -f doc` writes its reports of it, of which only the CSV tables are
compared: each cue there must be one that the tags told. Python's csv module reads the table, where one is given.
Prints {"cues": [...], "tables": [...], "rows": [...]}; times are fractions of seconds as [numerator, denominator].
Exit code 0 when all could be read and agrees, else 1, with the reasons on stderr.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FIELDS = {
    "number": "QN",
    "reason": "R",
    "priority": "P",
    "scene": "Sc",
    "shot": "Shot",
    "note": "Note",
    "actor": "Actor",
    "character_number": "CN",
    "reel": "Reel",
    "title": "Title",
}


def main():
    session = Path(sys.argv[1]).resolve()
    cues = tagged(session)
    tables = documents(session)
    rows = table(Path(sys.argv[2])) if len(sys.argv) > 2 else []
    json.dump({"cues": cues, "tables": tables, "rows": rows}, sys.stdout, ensure_ascii=False, indent=1)
    print()
    problems = [*duplicates(cues), *differences(cues, tables)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def tagged(session):
    answer = ptulsconv("-f", "tagged", str(session)).stdout
    # What the program says of itself goes before the JSON.
    events = json.loads(answer[answer.index("[{"):])
    return [cue(event) for event in events]


def cue(event):
    tags = event["tags"]
    fields = {name: tags.get(tag) for name, tag in FIELDS.items()}
    times = {name: [event[name]["numerator"], event[name]["denominator"]] for name in ("start", "finish")}
    return {"line": event["clip_name"], "character": event["track_name"], **fields, **times}


def documents(session):
    """The rows of the CSV tables among ptulsconv's reports; reports that it cannot draw come after those."""
    with tempfile.TemporaryDirectory() as folder:
        # Text that its fonts lack stops its PDF reports: which come is no matter here.
        ptulsconv("-f", "doc", str(session), cwd=folder, check=False)
        files = sorted(Path(folder).rglob("*.csv"))
        return [row for file in files for row in table(file)]


def table(file):
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text, strict=True))


def ptulsconv(*arguments, cwd=None, check=True):
    command = [str(Path(sys.executable).with_name("ptulsconv")), *arguments]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.run(command, check=check, capture_output=True, encoding="utf-8", cwd=cwd, env=environment)


def duplicates(cues):
    numbers = [cue["number"] for cue in cues]
    return [f"{number} stands twice" for number in sorted(set(numbers)) if numbers.count(number) > 1]


def differences(cues, tables):
    told = {cue["number"]: (cue["line"], cue["reason"], cue["character"]) for cue in cues}
    for row in tables:
        found = (row["Prompt"], row["Reason"], row["Character Name"])
        if told.get(row["Cue Number"]) != found:
            yield f"{row['Cue Number']}: table {found}, tags {told.get(row['Cue Number'])}"


if __name__ == "__main__":
    sys.exit(main())
