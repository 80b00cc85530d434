"""AAF by pyaaf2 (which holds each object against its class), by OpenTimelineIO, and its container by olefile.

Sound counts in samples: each end is taken for the nearest frame, and must be within a sample of it. The two sides of a
stem lie on tracks of their own; here they are one row, and must not differ in anything but their files. OpenTimelineIO
calls a marker by its note, and keeps of texts in parts only the last.
"""

import logging
import struct
from collections import defaultdict
from contextlib import contextmanager
from fractions import Fraction

import aaf2
import olefile
import opentimelineio
from aaf2 import components, essence, mobs, mobslots

from readers import Reader
from readers.labels import path as path_of

SAMPLES = 48_000
TRACKS = {"clip sound": "MIX", "DX estimated": "DX", "ME estimated": "ME", "REF laid": "REF"}
COLOURS = {
    (65535, 0, 0): "RED",
    (65535, 65535, 0): "YELLOW",
    (0, 65535, 0): "GREEN",
    (0, 65535, 65535): "CYAN",
    (0, 0, 65535): "BLUE",
    (65535, 0, 65535): "MAGENTA",
    (65535, 65535, 65535): "WHITE",
}
ROOT, KIND = "B3B398A5-1C90-11D4-8053-080036210804", "0D010201-0200-0000-060E-2B3403020101"
CLIP = {"name", "track", "source", "available", "record", "reel", "link", "lane", "channels"}
STEM = {"name", "track", "channels", "source", "available", "record", "link"}
MARKER = {"name", "frame", "length", "note", "colour"}
SEES = {"cut": {"name", "start", "rate", "drop"}, "clip": CLIP | {"provenance"}, "stem": STEM, "marker": MARKER}
SEES_OTIO = {"cut": {"name", "start"}, "clip": CLIP, "stem": STEM, "marker": MARKER}


def read(path, rate, model):
    with nothing_logged(), aaf2.open(str(path)) as file:
        for root in (file.header, file.metadict):
            for thing, _ in root.walk_references():
                thing.validate()
        (composition,) = file.content.toplevel()
        return Composition(composition, sides_of(model)).rows()


@contextmanager
def nothing_logged():
    """pyaaf2 logs what is odd, and goes on."""
    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
    if told:
        raise ValueError(told[0])


class Composition:
    def __init__(self, mob, sides):
        self.mob, self.sides = mob, sides
        if type(mob) is not mobs.CompositionMob or mob.usage != "Usage_TopLevel":
            raise ValueError(f"{mob.name}: is not what is to be opened")
        clock, picture, *rest = list(mob.slots)
        self.sounds = [slot for slot in rest if type(slot) is mobslots.TimelineMobSlot]
        self.events = [slot for slot in rest if type(slot) is mobslots.EventMobSlot]
        self.clock, self.picture = clock, picture
        self.rate = Fraction(clock.edit_rate.numerator, clock.edit_rate.denominator)
        self.time = Time(self.rate, clock.segment.start)

    def rows(self):
        return {
            "cut": self.cut(),
            "clips": list(self.clips()),
            "stems": fold(list(self.stems()), self.sides),
            "markers": [row for slot in self.events for row in self.markers(slot)],
        }

    def cut(self):
        segment = self.clock.segment
        if segment.fps != -(-self.rate.numerator // self.rate.denominator) or number(self.clock) != 1:
            raise ValueError("the first slot is no primary timecode")
        return {
            "name": self.mob.name,
            "start": segment.start,
            "rate": f"{self.rate.numerator}/{self.rate.denominator}",
            "drop": segment.drop,
        }

    def clips(self):
        expect(self.picture, self.rate, 1, "Picture")
        for at, clip in placed(self.picture):
            media = Media(clip, self.rate)
            if type(media.descriptor) is not essence.CDCIDescriptor:
                raise ValueError(f"{media.name}: is no picture")
            told = comments(media.master)
            begin = self.time.start + at
            yield {
                "name": media.name,
                "track": self.picture.name,
                "source": [media.first + clip.start, media.first + clip.start + clip.length],
                "available": [media.first, media.first + media.length],
                "record": [begin, begin + clip.length],
                "reel": media.tape,
                "link": media.link,
                "lane": told.pop("lane"),
                "channels": int(told.pop("channels")),
                "provenance": {key: int(text) if key == "seed" else text for key, text in told.items()},
            }

    def stems(self):
        for order, slot in enumerate(self.sounds, 1):
            expect(slot, Fraction(SAMPLES), order, "Sound")
            for at, clip in placed(slot):
                media = Media(clip, self.rate)
                head(media)
                if clip.start < 0 or clip.start + clip.length > media.length:
                    raise ValueError(f"{media.name}: the file is shorter than what is used")
                first = self.time.sample(media.first)
                yield {
                    "name": media.name,
                    "track": slot.name,
                    "source": self.time.stretch(first + clip.start, clip.length),
                    "available": self.time.stretch(first, media.length),
                    "record": self.time.stretch(self.time.zero + at, clip.length),
                    "link": media.link,
                }

    def markers(self, slot):
        if Fraction(slot.edit_rate.numerator, slot.edit_rate.denominator) != self.rate:
            raise ValueError("markers count in another rate")
        for marker in slot.segment.components:
            known = {value.name: value.value for value in marker["CommentMarkerAttributeList"].value}
            colour = COLOURS[tuple(marker["CommentMarkerColor"].value[part] for part in ("red", "green", "blue"))]
            name, note, length = marker["CommentMarkerUser"].value, marker["Comment"].value, marker.length
            avid = [known[f"_ATN_CRM_{key}"] for key in ("USER", "COM", "COLOR", "LENGTH")]
            if avid != [name, note, colour.capitalize(), length] or set(marker["DescribedSlots"].value) != {2}:
                raise ValueError(f"{name}: Avid's list says {avid}")
            frame = self.time.start + marker["Position"].value
            yield {"name": name, "frame": frame, "length": length, "note": note, "colour": colour}


class Time:
    """Frames since midnight and samples since midnight, each the nearest of the other."""

    def __init__(self, rate, start):
        self.rate, self.start = rate, start
        self.zero = self.sample(start)

    def sample(self, frame):
        return nearest(frame * SAMPLES / self.rate)

    def stretch(self, first, length):
        return [self.frame(first), self.frame(first + length)]

    def frame(self, sample):
        frame = nearest(Fraction(sample) * self.rate / SAMPLES)
        if abs(frame * SAMPLES / self.rate - Fraction(sample)) > 2:
            raise ValueError(f"sample {sample} is at no frame")
        return frame


def nearest(value):
    return int((value + Fraction(1, 2)) // 1)


class Media:
    """Master mob, file and tape of a clip."""

    def __init__(self, clip, rate):
        self.master, file = clip.mob, None
        if type(self.master) is not mobs.MasterMob:
            raise ValueError(f"{clip}: is of no master mob")
        self.name = self.master.name
        chain = [self.follow(clip)]
        chain.append(self.follow(chain[0]))
        chain.append(self.follow(chain[1]))
        file, tape = chain[0].mob, chain[1].mob
        if chain[2].mob is not None or type(tape.descriptor) is not essence.TapeDescriptor:
            raise ValueError(f"{self.name}: does not end at a tape")
        self.descriptor, self.tape = file.descriptor, tape.name
        (locator,) = self.descriptor["Locator"].value
        self.link = local(locator["URLString"].value)
        self.length = self.descriptor["Length"].value
        if [part.length for part in chain] != [self.length] * 3 or any(part.start for part in chain):
            raise ValueError(f"{self.name}: lengths differ")
        self.first = self.clock(tape, rate)

    def follow(self, clip):
        slot = clip.slot
        if slot.segment.media_kind != clip.media_kind or type(slot.segment) is not components.SourceClip:
            raise ValueError(f"{self.name}: leads to something else")
        return slot.segment

    def clock(self, tape, rate):
        (slot,) = [slot for slot in tape.slots if type(slot.segment) is components.Timecode]
        if Fraction(slot.edit_rate.numerator, slot.edit_rate.denominator) != rate or number(slot) != 1:
            raise ValueError(f"{self.name}: its timecode is none of the cut's")
        return slot.segment.start


def number(slot):
    return slot["PhysicalTrackNumber"].value


def expect(slot, rate, order, kind):
    found = (Fraction(slot.edit_rate.numerator, slot.edit_rate.denominator), number(slot), slot.media_kind)
    if found != (rate, order, kind) or slot.segment.length != slot.length:
        raise ValueError(f"{slot.name}: {found}")


def placed(slot):
    """Clips with their places from the slot's beginning."""
    at = 0
    for component in slot.segment.components:
        if type(component) is components.SourceClip:
            yield at, component
        elif type(component) is not components.Filler:
            raise ValueError(f"{slot.name}: {component}")
        at += component.length


def head(media):
    """What stands for the head of the file: 48 kHz, 24 bit, one channel."""
    summary = bytes(media.descriptor["Summary"].value)
    riff, size, wave, form, numbers, data, length = struct.unpack("<4sI4s8s16s4sI", summary)
    told = (riff, size, wave, form, struct.unpack("<HHIIHH", numbers), data, length)
    length = media.length * 3
    sound = (1, 1, SAMPLES, SAMPLES * 3, 3, 24)
    if told != (b"RIFF", length + length % 2 + 36, b"WAVE", b"fmt \x10\0\0\0", sound, b"data", length):
        raise ValueError(f"{media.name}: {told}")


def comments(mob):
    """Name, then text. Of several of one name, NUL stood between; what is continued follows without anything."""
    told = {}
    for comment in mob["UserComments"].value:
        name, text = comment.name, comment.value
        known = name.removesuffix(" continued")
        told[known] = told[known] + ("\0" if known == name else "") + text if known in told else text
    return told


def fold(rows, sides):
    """Both sides of a stem as one row with two channels, whose link is that of the left."""
    pairs = defaultdict(dict)
    for row in rows:
        name, side = (row["name"][:-2], row["name"][-1]) if row["name"][-2:] in (".L", ".R") else (row["name"], "")
        track, end = (row["track"][:-2], row["track"][-1]) if row["track"][-2:] in (" L", " R") else (row["track"], "")
        if side and side != end or end == "R" and not side:
            raise ValueError(f"{row['name']} lies on {row['track']}")
        code = TRACKS.get(track) or track.replace("reference ", "REF")
        key = (name, code, *(tuple(row[stretch]) for stretch in ("source", "available", "record")))
        if side in pairs[key]:
            raise ValueError(f"{row['name']} lies twice at one place")
        pairs[key][side] = row["link"]
    return [folded(key, links, sides) for key, links in pairs.items()]


def folded(key, links, sides):
    name, track, source, available, record = key
    if set(links) == {"L", "R"}:
        found = [links["L"], links["R"]]
        if not any(all(link.endswith(side) for link, side in zip(found, files)) for files in sides[name]):
            raise ValueError(f"{name}: its sides are {found}")
    elif set(links) != {""}:
        raise ValueError(f"{name}: has the sides {sorted(links)} at {record}")
    row = {"source": source, "available": available, "record": record}
    row = {field: list(stretch) for field, stretch in row.items()}
    link, channels = (links[""], [1]) if "" in links else (links["L"], [1, 2])
    return row | {"name": name, "track": track, "link": link, "channels": channels}


def sides_of(model):
    """The files of the sides of stems, which no row tells: they must be those that stand there."""
    sides = defaultdict(list)
    for clip in model["clips"]:
        for stem in clip["stems"]:
            sides[f"{clip['take']}_{stem['role']}"].append(stem["sides"])
    return sides


def local(url):
    """A path; `file:///./` stands before relative ones."""
    path = path_of(url)
    return path.removeprefix("/./")


def read_otio(path, rate, model):
    timeline = opentimelineio.adapters.read_from_file(str(path))
    start = timeline.global_start_time
    time = Time(rate, int(start.value))
    clips, stems = [], []
    for track in timeline.tracks:
        for clip in track.find_clips():
            if track.kind == "Video":
                clips.append(picture_of(clip, time) | {"track": track.name})
            elif track.kind == "Audio":
                stems.append(sound_of(clip, time) | {"track": track.name})
    cut = {"name": timeline.name, "start": time.start}
    return {"cut": cut, "clips": clips, "stems": fold(stems, sides_of(model)), "markers": otio_markers(timeline, time)}


def picture_of(clip, time):
    told = clip.metadata["AAF"]["UserComments"]
    (tape,) = [key for key in clip.media_references() if key != clip.DEFAULT_MEDIA_KEY]
    record = clip.range_in_parent()
    return {
        "name": clip.name,
        "source": [int(value) for value in ends(clip.source_range)],
        "available": [int(value) for value in ends(clip.media_reference.available_range)],
        "record": [time.start + int(value) for value in ends(record)],
        "reel": tape,
        "link": local(clip.media_reference.target_url),
        "lane": told["lane"],
        "channels": int(told["channels"]),
    }


def sound_of(clip, time):
    return {
        "name": clip.name,
        "source": [time.frame(value) for value in ends(clip.source_range)],
        "available": [time.frame(value) for value in ends(clip.media_reference.available_range)],
        "record": [time.frame(time.zero + value) for value in ends(clip.range_in_parent())],
        "link": local(clip.media_reference.target_url),
    }


def ends(stretch):
    return [stretch.start_time.value, stretch.start_time.value + stretch.duration.value]


def otio_markers(timeline, time):
    rows = []
    for item in [timeline.tracks, *timeline.tracks.find_children(descended_from_type=opentimelineio.core.Item)]:
        for marker in item.markers:
            begin, told = marker.marked_range.start_time, marker.metadata["AAF"]
            place = begin if item is timeline.tracks else item.transformed_time(begin, timeline.tracks)
            if told["Comment"] and told["Comment"] != marker.name:
                raise ValueError(f"{marker.name}: is not its comment")
            rows.append(
                {
                    "name": told["CommentMarkerUser"],
                    "frame": time.start + int(place.value),
                    "length": int(marker.marked_range.duration.value),
                    "note": told["Comment"],
                    "colour": marker.color,
                }
            )
    return rows


def read_container(path, rate, model):
    """Every stream can be read, every storage is an object; a class in the header is AAF's own."""
    with olefile.OleFileIO(str(path)) as file:
        issues = [str(issue) for _, issue in file.parsing_issues if str(issue) != "incorrect CLSID in OLE header"]
        if issues or (file.root.clsid, file.header_clsid) != (ROOT, KIND):
            raise ValueError(f"{issues}, {file.root.clsid}, {file.header_clsid}")
        whole(file, file.root)
    return {}


def whole(file, entry):
    """Each stream is as long as it says, and each storage is an object. By entries: a look-up by name takes long."""
    if entry.entry_type == olefile.STGTY_STREAM:
        if len(file._open(entry.isectStart, entry.size).read()) != entry.size:
            raise ValueError(f"{entry.name}: is cut off")
    elif not any(kid.name == "properties" for kid in entry.kids):
        raise ValueError(f"{entry.name}: is no object")
    for kid in entry.kids:
        whole(file, kid)


READERS = [
    Reader("aaf", "pyaaf2", SEES, read),
    Reader("aaf", "otio-aaf-adapter", SEES_OTIO, read_otio),
    Reader("aaf", "olefile", {}, read_container),
]
