"""DaVinci Resolve's list of markers: events by pycmx, and the line after each by its fields."""

import re

from pycmx.parse_cmx_statements import parse_cmx3600_statements
from pycmx.statements import StmtEvent, StmtFCM, StmtTitle, StmtUnrecognized

from readers import Reader
from readers.labels import frame

# pycmx takes the spaces off both ends of a line.
FIELDS = re.compile(r"(?:(?P<note>.*) )?\|C:ResolveColor(?P<colour>[A-Z][a-z]+) \|M:(?P<name>.*) \|D:(?P<length>\d+)")
SEES = {"cut": {"name", "drop"}, "marker": {"name", "frame", "length", "note", "colour"}}


def read(path, rate, model):
    with path.open(encoding="utf-8") as file:
        statements = [line for line in parse_cmx3600_statements(file) if getattr(line, "content", None) != ""]
    title, counting, *statements = statements
    if not isinstance(title, StmtTitle) or not isinstance(counting, StmtFCM) or len(statements) % 2:
        raise ValueError("no list of markers")
    pairs = list(zip(statements[::2], statements[1::2]))
    markers = [marker(event, line, rate, counting.drop) for event, line in pairs]
    if [event.event for event, _ in pairs] != list(range(1, len(pairs) + 1)):
        raise ValueError("events are not numbered one by one")
    return {"cut": {"name": title.title, "drop": counting.drop}, "markers": markers}


def marker(event, line, rate, drop):
    if not isinstance(event, StmtEvent) or not isinstance(line, StmtUnrecognized) or event.channels != "V":
        raise ValueError(f"line {event.line_number + 1}: no event with a line")
    start, end = frame(event.record_in, rate, drop), frame(event.record_out, rate, drop)
    if end != start + 1 or (event.source_in, event.source_out) != (event.record_in, event.record_out):
        raise ValueError(f"line {event.line_number + 1}: no event of one frame")
    fields = FIELDS.fullmatch(line.content)
    return {
        "name": fields["name"],
        "frame": start,
        "length": int(fields["length"]),
        "note": fields["note"] or "",
        "colour": fields["colour"].upper(),
    }


READERS = [Reader("resolve-markers", "pycmx", SEES, read)]
