"""A package's change list and a cut's markers, read by other people's programs and printed as JSON.

    changes.py PACKAGE
    changes.py FILE.otio | FILE.edl

Of a package: the rows of its table by Python's csv, and the markers of its two lists, by pycmx and csv. Of a file: its
markers, by OpenTimelineIO or pycmx. Frames are counted from midnight at 24 a second.
"""

import csv
import json
import sys
from fractions import Fraction
from pathlib import Path

from readers import avid_markers, otio, resolve_markers

RATE = Fraction(24)


def markers(reader, path):
    return reader.read(path, RATE, {})["markers"]


def main(path):
    path = Path(path)
    if path.suffix == ".otio":
        told = markers(otio, path)
    elif path.suffix == ".edl":
        told = markers(resolve_markers, path)
    else:
        start = path / "changes" / f"{path.name}_changes"
        with Path(f"{start}.csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file, strict=True))
        told = {
            "files": sorted(file.name for file in (path / "changes").iterdir()),
            "table": table,
            "resolve": markers(resolve_markers, Path(f"{start}_resolve.edl")),
            "avid": markers(avid_markers, Path(f"{start}_avid.txt")),
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
