"""Reads OTIOZ and OTIOD bundles with OpenTimelineIO and looks at what is in them.

Usage: bundles.py TIMELINE.otio BUNDLE.otioz BUNDLE.otiod

Each bundle must hold the same clips at the same places as the timeline, each with its file inside under a name of its own;
the zip's media are stored, so that they can be read in place. Prints what is wrong on stderr; exit code 1 if anything is.
"""

import sys
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import unquote

import opentimelineio as otio


def main():
    timeline, otioz, otiod = map(Path, sys.argv[1:4])
    expected = clips(otio.adapters.read_from_file(str(timeline)))
    faults = []
    for bundle in [otioz, otiod]:
        found = otio.adapters.read_from_file(str(bundle))
        if clips(found) != expected:
            faults.append(f"{bundle.name}: other clips than {timeline.name}")
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(otioz) as archive:
        archive.extractall(folder)
        faults += missing(Path(folder)) + missing(otiod)
        faults += zip_faults(archive)
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


def clips(timeline):
    return [(track.name, clip.name, clip.source_range, clip.range_in_parent()) for track in timeline.tracks for clip in track.find_clips()]


def missing(folder):
    """Files that the bundle's own timeline names and that are not there, and files that nobody names."""
    timeline = otio.adapters.read_from_file(str(folder / "content.otio"))
    named = {unquote(clip.media_reference.target_url) for clip in timeline.find_clips()}
    sides = {side for clip in timeline.find_clips() for side in clip.metadata["seedpost"].get("sides", [])}
    there = {path.relative_to(folder).as_posix() for path in (folder / "media").iterdir()}
    wrong = [f"{folder.name}: no {name}" for name in sorted((named | sides) - there)]
    return wrong + [f"{folder.name}: nobody names {name}" for name in sorted(there - named - sides)]


def zip_faults(archive):
    faults = []
    if archive.read("version.txt") != b"1.0.0":
        faults.append("version.txt is not 1.0.0")
    for entry in archive.infolist():
        stored = entry.compress_type == zipfile.ZIP_STORED
        if stored != entry.filename.startswith("media/"):
            faults.append(f"{entry.filename}: {'stored' if stored else 'deflated'}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
