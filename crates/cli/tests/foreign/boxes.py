"""Walks the boxes of an MP4 or MOV (ISO/IEC 14496-12, 4.2)."""

import struct
from typing import NamedTuple

C2PA = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481")


class Box(NamedTuple):
    """Where a box begins, its content begins, and both end."""

    kind: bytes
    at: int
    start: int
    end: int


def boxes(content, at=0, end=None):
    end = len(content) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", content[at + 8 : at + 16])[0], 16
        stop = end if size == 0 else at + max(size, 8)
        yield Box(kind, at, at + head, stop)
        at = stop


def inside(content, *kinds):
    """The boxes at the end of a path, such as `moov`, `trak`, `tkhd`."""
    found = [Box(b"", 0, 0, len(content))]
    for kind in kinds:
        found = [box for outer in found for box in boxes(content, outer.start, outer.end) if box.kind == kind.encode()]
    return found


def number(content, at, long=False):
    """A number of 32 bits, or of 64."""
    return int.from_bytes(content[at : at + (8 if long else 4)], "big")


def timed(content, box):
    """Ticks a second, and length in ticks, of what `mvhd` or `mdhd` heads."""
    long = content[box.start] == 1
    place = box.start + (20 if long else 12)
    return number(content, place), number(content, place + 4, long)
