"""Other people's programs, each of which reads one form of a cut down to plain rows; see `exports.py`.

A module here has `READERS`, a list of `Reader`. `read(path, rate, model)` answers a dict with the kinds that it sees:
{"cut": {…}, "clips": [{…}], "stems": […], "markers": […], "cues": […]}. It raises where the file cannot be read.
Times are whole frames in the cut's rate, ends exclusive. `model` is there for what a reader has to be told to read at
all, such as the counting; never for an answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reader:
    """One way to read one form."""

    # The form's name on the command line.
    format: str
    # Whose program it is.
    name: str
    # Which fields it sees, by kind: {"cut": {"name", "start"}, "clip": {"track", …}, "stem": …, "marker": …, "cue": …}.
    sees: Mapping[str, set[str]]
    # read(path, rate, model) -> rows
    read: Callable[..., dict[str, Any]]
