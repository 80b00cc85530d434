"""FCPXML: the structure by OpenTimelineIO with its fcpx-xml adapter, all of it with ElementTree.

The adapter counts in whole frames a second (23 for 23.976), takes the beginning of the timecode for a gap and drops
links and notes; so it tells names and lanes only. The second reader checks what the form asks for: children in their
order, identifiers once, references that resolve, times that are whole frames, edits within their assets, items of the
spine that follow each other.
"""

import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from urllib.parse import unquote

import opentimelineio as otio
from readers import Reader

OURS = "com.seedpost."
REEL = "com.apple.proapps.studio.reel"
SCENE, TAKE = "com.apple.proapps.studio.scene", "com.apple.proapps.studio.shot"
# The children of each element, in their order.
CHILDREN = {
    "fcpxml": ["resources", "library"],
    "resources": ["format", "asset"],
    "format": [],
    "asset": ["media-rep", "metadata"],
    "media-rep": [],
    "metadata": ["md"],
    "md": [],
    "library": ["event"],
    "event": ["project"],
    "project": ["sequence"],
    "sequence": ["spine"],
    "asset-clip": ["asset-clip", "marker"],
    "gap": ["asset-clip", "marker"],
    "marker": [],
}
# The children of which there must be one.
ONE = {"fcpxml", "library", "event", "project", "sequence"}


def by_otio(path, rate, model):
    events = otio.adapters.read_from_file(str(path), adapter_name="fcpx_xml")
    if len(events) != 1:
        raise ValueError(f"{len(events)} projects")
    timeline = events[0]
    clips, stems, order = [], [], []
    for track in timeline.tracks:
        names = [clip.name for clip in track.find_clips()]
        if track.name == "0":
            clips += [{"name": name, "track": "V1"} for name in names]
        else:
            if track.kind != otio.schema.TrackKind.Audio:
                raise ValueError(f"lane {track.name} is not of sound")
            stems += [{"name": name} for name in names]
            order.append(int(track.name))
    if sorted(order) != list(range(-len(order), 0)):
        raise ValueError(f"lanes {order}")
    return {"cut": {"name": timeline.name}, "clips": clips, "stems": stems}


def by_elements(path, rate, model):
    return Document(ElementTree.parse(path).getroot(), rate).rows()


class Document:
    def __init__(self, root, rate):
        self.root, self.rate = root, rate
        if (root.tag, root.get("version")) != ("fcpxml", "1.10"):
            raise ValueError(f"{root.tag} of version {root.get('version')}")
        self.ids = {}
        for element in root.iter():
            check_children(element)
            if (name := element.get("id")) is not None:
                if name in self.ids:
                    raise ValueError(f"{name} is there twice")
                self.ids[name] = element

    def rows(self):
        sequence = self.root.find("library/event/project/sequence")
        format_ = self.of(sequence, "format", "format")
        if 1 / seconds(format_.get("frameDuration")) != self.rate:
            raise ValueError(f"frames of {format_.get('frameDuration')}")
        if (sequence.get("audioLayout"), sequence.get("audioRate")) != ("stereo", "48k"):
            raise ValueError("sound that is not stereo at 48 kHz")
        self.counting = sequence.get("tcFormat")
        start = self.frame(sequence.get("tcStart"))
        self.clips, self.stems, self.markers, self.used = [], [], [], set()
        end = self.spine(sequence.find("spine"), start)
        if end - start != self.frame(sequence.get("duration")):
            raise ValueError("a sequence that is not as long as its spine")
        if idle := {asset.get("id") for asset in self.root.iter("asset")} - self.used:
            raise ValueError(f"assets that nothing uses: {idle}")
        return {
            "cut": {
                "name": self.root.find("library/event/project").get("name"),
                "start": start,
                "rate": f"{self.rate.numerator}/{self.rate.denominator}",
                "drop": {"DF": True, "NDF": False}[self.counting],
            },
            "clips": self.clips,
            "stems": self.stems,
            "markers": self.markers,
        }

    def spine(self, spine, free):
        """Reads what follows each other; answers the frame after the last."""
        for item in spine:
            offset, local = self.frame(item.get("offset")), self.frame(item.get("start", "0s"))
            length = self.frame(item.get("duration"))
            if offset != free or length < 1:
                raise ValueError(f"{item.tag} of {length} at {offset}, and not at {free}")
            free += length
            if item.tag == "asset-clip":
                self.picture(item, offset)
            elif item.tag != "gap":
                raise ValueError(f"{item.tag} in the spine")
            for marker in item.findall("marker"):
                self.marker(marker, offset, local, length)
            lanes = [stem.get("lane") for stem in item.findall("asset-clip")]
            if len(set(lanes)) != len(lanes):
                raise ValueError(f"lanes {lanes} of one clip")
            for stem in item.findall("asset-clip"):
                self.stem(stem, offset, local)
        return free

    def picture(self, item, offset):
        asset, row = self.clip(item, offset)
        if asset.get("hasVideo") != "1" or item.get("srcEnable") != "video" or item.get("lane"):
            raise ValueError(f"{row['name']} is not a picture")
        if item.get("format") != asset.get("format"):
            raise ValueError(f"{row['name']}: a format that is not its asset's")
        format_ = self.of(asset, "format", "format")
        if 1 / seconds(format_.get("frameDuration")) != self.rate:
            raise ValueError(f"frames of {format_.get('frameDuration')}")
        facts = {fact.get("key"): fact.get("value") for fact in asset.findall("metadata/md")}
        if f"{facts.pop(SCENE)}_T{int(facts.pop(TAKE)):02}" != row["name"]:
            raise ValueError(f"{row['name']}: scene and take are of another")
        reel = facts.pop(REEL)
        facts = {key.removeprefix(OURS): value for key, value in facts.items()}
        lane = facts.pop("lane")
        if "seed" in facts:
            facts["seed"] = int(facts["seed"])
        channels = int(asset.get("audioChannels", "0"))
        row |= {"track": "V1", "reel": reel, "lane": lane, "channels": channels, "provenance": facts}
        self.clips.append(row)

    def stem(self, item, offset, local):
        record = offset + self.frame(item.get("offset")) - local
        asset, row = self.clip(item, record)
        if asset.get("hasVideo") or asset.get("audioRate") != "48000" or int(item.get("lane")) >= 0:
            raise ValueError(f"{row['name']} is not sound")
        above, _, code = item.get("audioRole").partition(".")
        if above not in ("dialogue", "music", "effects"):
            raise ValueError(f"a role that Final Cut has not: {above}")
        channels = list(range(1, int(asset.get("audioChannels")) + 1))
        self.stems.append({**row, "track": "MIX" if code == "GUIDE" else code, "channels": channels})

    def clip(self, item, record):
        asset = self.of(item, "ref", "asset")
        self.used.add(asset.get("id"))
        self.of(item, "format", "format")
        start, length = self.frame(item.get("start")), self.frame(item.get("duration"))
        first, lasts = seconds(asset.get("start")), seconds(asset.get("duration"))
        edit = (start / self.rate, (start + length) / self.rate)
        if not first <= edit[0] < edit[1] <= first + lasts:
            raise ValueError(f"{item.get('name')}: an edit that is not within its asset")
        if item.get("tcFormat") != self.counting or item.get("name") != asset.get("name"):
            raise ValueError(f"{item.get('name')}: unlike its asset or its sequence")
        file = asset.find("media-rep")
        if file.get("kind") != "original-media":
            raise ValueError(f"{item.get('name')}: no original media")
        begin = self.frame(asset.get("start"))
        return asset, {
            "name": item.get("name"),
            "source": [start, start + length],
            "available": [begin, begin + int(lasts * self.rate)],
            "record": [record, record + length],
            "link": unquote(file.get("src").removeprefix("file://"), errors="strict"),
        }

    def marker(self, marker, offset, local, length):
        frame = self.frame(marker.get("start")) - local
        if not 0 <= frame < length or marker.get("completed") is not None:
            raise ValueError(f"{marker.get('value')}: outside of its clip, or something to do")
        self.markers.append(
            {
                "name": marker.get("value"),
                "frame": offset + frame,
                "length": self.frame(marker.get("duration")),
                "note": marker.get("note", ""),
            }
        )

    def of(self, element, attribute, tag):
        found = self.ids[element.get(attribute)]
        if found.tag != tag:
            raise ValueError(f"{attribute} {element.get(attribute)} is a {found.tag}")
        return found

    def frame(self, time):
        frames = seconds(time) * self.rate
        if frames.denominator != 1 or frames < 0:
            raise ValueError(f"{time} is not a whole frame")
        return frames.numerator


def check_children(element):
    """Every child is one that the element may have, in their order."""
    if element.tag == "spine":
        return
    order = CHILDREN[element.tag]
    found = [order.index(child.tag) for child in element]
    if found != sorted(found) or (element.tag in ONE and found != list(range(len(order)))):
        raise ValueError(f"children of {element.tag}: {[child.tag for child in element][:20]}")


def seconds(time):
    """`5s`, `1001/24000s`."""
    if not time.endswith("s"):
        raise ValueError(f"{time} is not a time")
    return Fraction(time.removesuffix("s"))


READERS = [
    Reader("fcpxml", "otio-fcpx-xml-adapter", {"cut": {"name"}, "clip": {"name", "track"}, "stem": {"name"}}, by_otio),
    Reader(
        "fcpxml",
        "ElementTree",
        {
            "cut": {"name", "start", "rate", "drop"},
            "clip": {
                "name", "track", "source", "available", "record", "reel", "link", "channels", "lane", "provenance",
            },
            "stem": {"name", "track", "channels", "source", "available", "record", "link"},
            "marker": {"name", "frame", "length", "note"},
        },
        by_elements,
    ),
]  # fmt: skip
