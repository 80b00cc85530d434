"""Compares what a reader found in a file with the model from which the declared losses were taken off.

`check_form` yields each disagreement as words. A row is compared in every field that the reader sees and no loss takes
off. Where a form tells no places, uses of the same stretch are one row.
"""

import json
from collections import Counter, defaultdict

from exports_losses import fields
from exports_model import KINDS, NAME

# Disagreements of one reader about one kind that are told one by one.
TOLD = 12


def answer(folder, form, reader):
    """The rows that a reader finds, or the exception that it raises."""
    try:
        return folder.read(form, reader)
    except Exception as error:  # whatever goes wrong in other people's programs is told
        return error


def check_form(form, form_readers, answers, losses):
    """Yields every disagreement about one form of one cut."""
    for loss in losses.idle():
        yield f"{form}: a loss of nothing: {loss['of']} {loss['name']!r}: {loss['field']}"
    seen, read = defaultdict(set), 0
    for reader in form_readers:
        rows = answers[reader.name]
        if isinstance(rows, Exception):
            if not losses.unreadable():
                yield f"{form}: {reader.name}: cannot read: {type(rows).__name__}: {str(rows)[:300]}"
            continue
        read += 1
        for kind, sees in reader.sees.items():
            seen[kind] |= set(sees)
        yield from (f"{form}: {reader.name}: {problem}" for problem in compare(reader, rows, losses))
    if losses.unreadable():
        if read == len(form_readers):
            yield f"{form}: declared as unreadable, and everybody reads it"
        return
    for kind in KINDS:
        if missing := losses.coverage(kind, seen[kind]):
            fields = ", ".join(f"{name} ({count})" for name, count in missing.items())
            yield f"{form}: {kind}: nobody looked at, and no loss is declared: {fields}"


def compare(reader, rows, losses):
    """Yields words. `rows` is what the reader found, by kind."""
    for kind, sees in reader.sees.items():
        if unknown := set(sees) - set(fields(kind)):
            yield f"{kind}: sees what nobody has: {sorted(unknown)}"
            continue
        told = list(compare_kind(kind, set(sees), rows.get(kind, []), losses))
        yield from told[:TOLD]
        if len(told) > TOLD:
            yield f"{kind}: … and {len(told) - TOLD} more"
    for kind in set(rows) - set(reader.sees):
        yield f"{kind}: rows that the reader does not say it sees"
    yield from reels(rows.get("clip", []))


def compare_kind(kind, sees, found, losses):
    for row in found:
        if lacking := sorted(sees - set(row)):
            yield f"{name_of(kind, row)}: the reader sees {lacking} and does not tell"
            return
    expected = losses.expected(kind)
    if any("record" in row.lost for row in expected):
        expected = once(expected, sees)
    pairs, missing, extra = match(expected, found, sees)
    yield from absent(kind, pairs, missing)
    missing = [row for row in missing if not row.absent]
    yield from differences(kind, missing, extra, sees)
    yield from yet_there(kind, pairs, sees)


def match(expected, found, sees):
    """Pairs of rows that are equal in all that is compared, then what of each side has no partner."""
    groups = defaultdict(list)
    for row in expected:
        groups[compared(row, sees)].append(row)
    pairs, rest = [], found
    missing = []
    for names in sorted(groups, key=lambda names: (-len(names), names)):
        index = defaultdict(list)
        for row in rest:
            index[key(row, names)].append(row)
        for row in groups[names]:
            partners = index[key({name: row.value(name) for name in names}, names)]
            if partners:
                pairs.append((row, partners.pop(0)))
            else:
                missing.append(row)
        rest = [row for rows in index.values() for row in rows]
    return pairs, missing, rest


def compared(row, sees):
    """The fields of a row that a reader sees and that must stand in the file."""
    return tuple(sorted(name for name in sees if name not in row.lost or name in row.written))


def key(row, names):
    return json.dumps([row[name] for name in names], sort_keys=True)


def once(expected, sees):
    unique = {}
    for row in expected:
        names = compared(row, sees)
        unique.setdefault((names, key({name: row.value(name) for name in names}, names)), row)
    return list(unique.values())


def absent(kind, pairs, missing):
    """Rows that are declared absent, and there. Of rows of one name each loss takes off one, or a single one all."""
    there, gone, declared = Counter(), Counter(), {}
    for row in [*(row for row, _ in pairs), *missing]:
        if row.absent:
            declared[row.model[NAME[kind]]] = len(row.absent)
    for row in missing:
        gone[row.model[NAME[kind]]] += 1
    for row, _ in pairs:
        there[row.model[NAME[kind]]] += 1
    for name, count in declared.items():
        if gone[name] != count and (there[name] or count > 1):
            yield f"{kind} {name!r}: declared absent {count} times, and absent {gone[name]} times"


def differences(kind, missing, extra, sees):
    """Rows without partners, those that are alike beside each other."""
    extra = list(extra)
    for row in missing:
        names = compared(row, sees)
        expected = {name: row.value(name) for name in names}
        alike = [sum(other.get(name) == expected[name] for name in names) for other in extra[:300]]
        if alike and max(alike) * 2 >= len(names) and len(names) > 1:
            other = extra.pop(alike.index(max(alike)))
            for name in names:
                if other[name] != expected[name]:
                    yield f"{name_of(kind, row.model)}: {name}: found {other[name]!r}, expected {expected[name]!r}"
        else:
            yield f"{name_of(kind, row.model)}: not found: {expected!r}"
    for row in extra:
        yield f"{name_of(kind, row)}: found, and not in the model: { {name: row[name] for name in sorted(sees)}!r}"


def yet_there(kind, pairs, sees):
    """What is declared lost and stands there as in the model: of one thing, or of all that a loss is about."""
    told = defaultdict(list)
    for row, other in pairs:
        for name, loss in row.lost.items():
            if name not in sees:
                continue
            if name in row.written:
                same = loss["field"] != "text" and row.written[name] == row.model[name]
            else:
                same = other[name] == row.model[name]
            told[id(loss)].append((loss, name, same))
    for answers in told.values():
        if all(same for _, _, same in answers):
            loss, names = answers[0][0], sorted({name for _, name, _ in answers})
            yield f"{kind} {loss['name']!r}: {names}: declared lost, and yet there"


def reels(clips):
    """A reel belongs to one take."""
    takes = defaultdict(set)
    for clip in clips:
        if "reel" in clip and "name" in clip:
            takes[clip["reel"]].add(clip["name"])
    for reel, names in takes.items():
        if len(names) > 1:
            yield f"clip: the reel {reel!r} is of {len(names)} takes: {sorted(names)}"


def name_of(kind, row):
    place = row.get("record") or row.get("frame") or row.get("start") or ""
    return f"{kind} {row.get(NAME[kind])!r}" + (f" at {place}" if place else "")
