"""ADR cues: both dialects of Pro Tools' text by ptulsconv, and the table by Python's csv.

What `ptulsconv -f tagged` prints are the cues, and what `-f raw` prints is the session: where it begins to be a cut,
and how it counts. The tables among its ADR reports (`-f doc`) must tell the same cues. Its parts are called by
themselves, since the program takes a second to start, and draws its other reports before the tables.
"""

import contextlib
import csv
import json
import os
import re
import tempfile
from fractions import Fraction
from pathlib import Path

from ptulsconv.commands import FractionEncoder, output_adr_csv
from ptulsconv.docparser import parse_document
from ptulsconv.docparser.adr_entity import make_entities
from ptulsconv.docparser.tag_compiler import TagCompiler

from readers import Reader
from readers.labels import frame

FIELDS = {"number", "character", "line", "start", "end", "reason", "priority", "scene", "reel", "note"}
BY_TAGS = {"cut": {"name", "start"}, "cue": FIELDS | {"take", "character_number"}}
BY_TABLE = {"cue": FIELDS}
# What ADR Master, Cue Pro and EdiCue call a track and a clip.
TRACK = re.compile(r"(?P<character>[^\[{]+)\[(?P<prefix>[A-Z]+)\]\{(?P<actor>[^}]+)\}")
CLIP = re.compile(r"(?P<line>[^\[{]+) \[(?P<code>[A-Z]+)\](?P<comments>(?: \{[^}]+\})+)")
BY_BRACKETS = {"cue": {"character", "line", "start", "end"}}


def by_tags(path, rate, model):
    document = parsed(path)
    session = plain(document)
    header, markers = session["header"], session["markers"]
    drop = header["timecode_drop_frame"]
    if [marker["name"] for marker in markers] != ["FFOA"]:
        raise ValueError(f"the markers are {markers}")
    start = frame(markers[0]["location"], rate, drop)
    lead = start - frame(header["start_timecode"], rate, drop)
    if round(lead * 48_000 / rate) != markers[0]["time_reference"]:
        raise ValueError(f"the first frame is at sample {markers[0]['time_reference']}, and at frame {lead}")
    events = plain(compiled(document))
    cues = [cue(event, rate) for event in events]
    tables(document, events)
    name = {event["tags"]["Title"] for event in events} | {event["session_name"] for event in events}
    if len(name) != 1:
        raise ValueError(f"the titles are {name}")
    return {"cut": {"name": name.pop(), "start": start}, "cues": cues}


def cue(event, rate):
    tags = event["tags"]
    start, end = (Fraction(event[name]["numerator"], event[name]["denominator"]) * rate for name in ("start", "finish"))
    if start.denominator != 1 or end.denominator != 1:
        raise ValueError(f"{tags['QN']}: {start} and {end} are no frames")
    return {
        "number": tags["QN"],
        "character": tags.get("Char", event["track_name"]),
        "character_number": int(tags["CN"]),
        "line": event["clip_name"],
        "start": start.numerator,
        "end": end.numerator,
        "reason": tags["R"],
        "priority": int(tags["P"]),
        "scene": tags["Sc"],
        "reel": int(tags["Reel"].removeprefix("R")),
        "note": tags["Note"],
        "take": tags["Shot"],
    }


def tables(session, events):
    """The tables of ptulsconv's ADR reports against its tags."""
    told = sorted(
        [tags["QN"], tags.get("Char", event["track_name"]), event["clip_name"], tags["R"], tags["Note"], tags["Reel"]]
        for event in events
        for tags in [event["tags"]]
    )
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(nowhere):
                _, lines = make_entities(compiled(session))
                output_adr_csv(lines, session.header.timecode_format)
        finally:
            os.chdir(before)
        files = sorted(Path(folder).rglob("*.csv"))
        rows = [row for file in files for row in csv.DictReader(file.open(encoding="utf-8", newline=""), strict=True)]
    columns = ["Cue Number", "Character Name", "Prompt", "Reason", "Note", "Reel"]
    found = sorted([row[column] for column in columns] for row in rows)
    if found != told:
        raise ValueError(f"the reports differ from the tags: {found} and {told}")


def parsed(path):
    return parse_document(path.read_text(encoding="utf-8"))


def compiled(session):
    compiler = TagCompiler()
    compiler.session = session
    return list(compiler.compile_events())


def plain(value):
    """What `ptulsconv -f` prints."""
    return json.loads(FractionEncoder().encode(value))


def by_brackets(path, rate, model):
    """The session as Cue Pro's knowledge base explains it: text, then a code and comments in brackets."""
    session = plain(parsed(path))
    drop = session["header"]["timecode_drop_frame"]
    cues = []
    for track in session["tracks"]:
        character = TRACK.fullmatch(track["name"])["character"]
        for clip in track["clips"]:
            start, end = (frame(clip[name], rate, drop) for name in ("start_timecode", "finish_timecode"))
            line = CLIP.fullmatch(clip["clip_name"])["line"]
            cues.append({"character": character, "line": line, "start": start, "end": end})
    return {"cues": cues}


def by_table(path, rate, model):
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    return {"cues": [row_of_table(row, rate, model["start"]["drop"]) for row in rows]}


def row_of_table(row, rate, drop):
    start, end, length = (frame(row[name], rate, drop) for name in ("Start", "End", "Duration"))
    if end - start != length:
        raise ValueError(f"{row['Cue Number']}: it lasts {end - start}, and says {length}")
    return {
        "number": row["Cue Number"],
        "character": row["Character"],
        "line": row["Line"],
        "start": start,
        "end": end,
        "reason": row["Reason"],
        "priority": int(row["Priority"]),
        "scene": row["Scene"],
        "reel": int(row["Reel"].removeprefix("R")),
        "note": row["Notes"],
    }


READERS = [
    Reader("adr-text", "ptulsconv", BY_TAGS, by_tags),
    Reader("adr-session", "ptulsconv", BY_TAGS, by_tags),
    Reader("adr-session", "brackets", BY_BRACKETS, by_brackets),
    Reader("adr-csv", "csv", BY_TABLE, by_table),
]
