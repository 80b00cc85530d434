"""What a form declares as lost, taken off the rows of the model.

`Losses` belongs to one form and one model. `expected(kind)` is what must stand in the file; `coverage` says what
nobody looked at; `idle` says which losses mean nothing.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

from exports_model import KINDS, MORE, NAME, lost_fields
from readers.labels import LABEL, frame

ALL = "all"


@dataclass
class Expected:
    """A row of the model as a file must have it."""

    model: dict
    # Field: what must stand there instead.
    written: dict = field(default_factory=dict)
    # Field: the loss that takes it off.
    lost: dict = field(default_factory=dict)
    # The losses by its own name that take it off as a whole, of which each takes off one of the rows of that name.
    absent: list = field(default_factory=list)

    def value(self, name):
        return self.written.get(name, self.model.get(name))


class Losses:
    def __init__(self, losses, rows):
        self.losses, self.rows = losses, rows
        self.used = set()
        self.whole = set()
        self.by_kind = {kind: self.apply(kind) for kind in KINDS}

    def apply(self, kind):
        index = defaultdict(list)
        for number, loss in enumerate(self.losses):
            if loss["of"] == kind:
                index[loss["name"]].append((number, loss))
        return [row for row in map(lambda row: self.applied(kind, row, index), self.rows[kind]) if row is not None]

    def applied(self, kind, row, index):
        """What must stand in the file of a row; None where its whole kind is declared lost."""
        expected, gone, partly = Expected(row), False, []
        names = dict.fromkeys([ALL, *([row["role"]] if kind == "stem" else []), row[NAME[kind]]])
        for number, loss in ((number, loss) for name in names for number, loss in index[name]):
            if loss["field"] != "event":
                partly.append(number)
                take_off(expected, kind, loss, self.rows["cut"][0])
                continue
            self.used.add(number)
            if loss["name"] == row[NAME[kind]] and kind != "cut":
                expected.absent.append(number)
            else:
                gone = True
                self.whole.add((kind, loss["name"]))
        # Of a thing that is not there nothing else is lost.
        if kind == "cut" or not (gone or expected.absent):
            self.used.update(partly)
        return None if gone else expected

    def expected(self, kind):
        return self.by_kind[kind]

    def unreadable(self):
        """Whether the form says that no foreign program reads this cut."""
        return ("cut", ALL) in self.whole

    def coverage(self, kind, seen):
        """The fields that are neither seen nor declared lost: field, then how many rows."""
        missing = defaultdict(int)
        for row in self.by_kind[kind]:
            for name in KINDS[kind]:
                covered = name in seen or (name in row.lost and name not in row.written) or row.absent
                missing[name] += not covered
        return {name: count for name, count in missing.items() if count}

    def idle(self):
        """Losses of things that the model has not, or of fields that such things have not."""
        for number, loss in enumerate(self.losses):
            fits = loss["field"] == "event" or lost_fields(loss["of"], loss["field"])
            if number not in self.used or not fits:
                yield loss


def take_off(expected, kind, loss, cut):
    for name in lost_fields(kind, loss["field"]):
        expected.lost[name] = loss
        if loss.get("written") is not None:
            expected.written[name] = read(loss["written"], expected.model.get(name), cut)


def read(written, model, cut):
    """What is written in a loss, as the row's field would have it; times are labels there."""
    if isinstance(model, str):
        return written
    if LABEL.fullmatch(written):
        return frame(written, Fraction(cut["rate"]), cut["drop"])
    try:
        value = json.loads(written)
    except json.JSONDecodeError:
        return written
    return list(range(1, value + 1)) if isinstance(model, list) and isinstance(value, int) else value


def fields(kind):
    return [*KINDS[kind], *MORE.get(kind, [])]
