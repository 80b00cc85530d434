"""Final Cut Pro 7 XML: read by OpenTimelineIO with its fcp adapter, and element by element with ElementTree.

The second one checks what the form asks for: identifiers once, references that resolve, files described once, links
to both channels and the picture, clips within their files and side by side.
"""

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from urllib.parse import unquote

import opentimelineio as otio
from readers import Reader

COLOURS = {
    (255, 0, 0): "RED",
    (255, 255, 0): "YELLOW",
    (0, 255, 0): "GREEN",
    (0, 255, 255): "CYAN",
    (0, 0, 255): "BLUE",
    (255, 127, 0): "ORANGE",
    (127, 0, 255): "PURPLE",
}
COMMENTS = {
    "mastercomment1": "provider",
    "mastercomment2": "model",
    "mastercomment3": "seed",
    "mastercomment4": "cost",
    "clipcommenta": "request_id",
    "clipcommentb": "sha256",
}
SEES = {
    "cut": {"name", "start", "rate", "drop"},
    "clip": {
        "name", "track", "source", "available", "record", "reel", "link", "channels", "lane", "provenance",
    },
    "stem": {"name", "track", "channels", "source", "available", "record", "link"},
    "marker": {"name", "frame", "length", "note", "colour"},
}  # fmt: skip


def path_of(url):
    """An address as a path: with the host and without a scheme."""
    for begin in ("file://localhost", "file://"):
        if url.startswith(begin):
            url = url.removeprefix(begin)
            break
    return unquote(url, errors="strict")


def known(comments, description, lognote):
    """Lane, and where a take comes from, out of the texts that hold them."""
    lane, _, reason = (lognote or "").partition(": ")
    found = {"prompt": description or "", "reason": reason}
    for element, key in COMMENTS.items():
        text = comments.get(element)
        if text is None:
            continue
        begin = f"{key}: "
        if not text.startswith(begin):
            raise ValueError(f"{element} is {text!r}, and not {key}")
        found[key] = text.removeprefix(begin)
    if "seed" in found:
        found["seed"] = int(found["seed"])
    return lane, {key: value for key, value in found.items() if value != ""}


def folded(sides):
    """Stems of two channels as one row: `sides` has the rows of each channel by clip and role."""
    stems = []
    for key, rows in sides.items():
        channels = sorted(row["channel"] for row in rows)
        if channels != list(range(1, len(rows) + 1)) or len({row["count"] for row in rows}) > 1:
            raise ValueError(f"{key}: channels {channels} of {rows[0]['count']}")
        if len(rows) != rows[0]["count"]:
            raise ValueError(f"{key}: {len(rows)} channels of {rows[0]['count']}")
        plain = [{name: value for name, value in row.items() if name not in ("channel", "count")} for row in rows]
        if any(row != plain[0] for row in plain):
            raise ValueError(f"{key}: the channels differ")
        stems.append({**plain[0], "channels": channels})
    return stems


def marker_colour(red, green, blue):
    return COLOURS[(int(red), int(green), int(blue))]


# OpenTimelineIO


def by_otio(path, rate, model):
    timeline = otio.adapters.read_from_file(str(path), adapter_name="fcp_xml")
    if isinstance(timeline, otio.schema.SerializableCollection):
        raise ValueError(f"{len(timeline)} sequences")
    start = frames(timeline.global_start_time, rate)
    meta = timeline.metadata["fcp_xml"]
    form = meta["timecode"]["displayformat"]
    clips, sides = [], defaultdict(list)
    for number, track in enumerate(timeline.tracks):
        places = {
            child: stretch(place, rate, start)
            for child, place in track.range_of_all_children().items()
            if isinstance(child, otio.schema.Clip)
        }
        if track.kind == otio.schema.TrackKind.Video:
            clips += [otio_picture(clip, f"V{number + 1}", place, rate) for clip, place in places.items()]
        else:
            code = track.metadata["fcp_xml"]["@MZ.TrackName"].split(" ")[0]
            for clip, place in places.items():
                row = otio_sound(clip, code, place, rate)
                sides[(row["name"], row["record"][0])].append(row)
    return {
        "cut": {
            "name": timeline.name,
            "start": start,
            "rate": f"{rate.numerator}/{rate.denominator}",
            "drop": {"DF": True, "NDF": False}[form],
        },
        "clips": clips,
        "stems": folded(sides),
        "markers": [otio_marker(marker, start, rate) for marker in timeline.tracks.markers],
    }


def frames(time, rate):
    if abs(time.rate - float(rate)) > 1e-9 or time.value != int(time.value):
        raise ValueError(f"{time} is not a frame at {rate}")
    return int(time.value)


def stretch(time_range, rate, offset=0):
    start = frames(time_range.start_time, rate) + offset
    return [start, start + frames(time_range.duration, rate)]


def otio_clip(clip, place, rate):
    media = clip.media_reference
    return {
        "name": clip.name,
        "source": stretch(clip.source_range, rate),
        "available": stretch(media.available_range, rate),
        "record": place,
        "link": path_of(media.target_url),
    }


def otio_picture(clip, track, place, rate):
    media, meta = clip.media_reference.metadata["fcp_xml"], clip.metadata["fcp_xml"]
    log, comments = meta["logginginfo"], meta.get("comments") or {}
    lane, provenance = known(comments, log["description"], log["lognote"])
    return {
        **otio_clip(clip, place, rate),
        "track": track,
        "reel": media["timecode"]["reel"]["name"],
        "channels": int(media["media"].get("audio", {}).get("channelcount", 0)),
        "lane": lane,
        "provenance": provenance,
    }


def otio_sound(clip, code, place, rate):
    media, meta = clip.media_reference.metadata["fcp_xml"], clip.metadata["fcp_xml"]
    return {
        **otio_clip(clip, place, rate),
        "track": code,
        "channel": int(meta["sourcetrack"]["trackindex"]),
        "count": int(media["media"]["audio"]["channelcount"]),
    }


def otio_marker(marker, start, rate):
    meta = marker.metadata["fcp_xml"]
    color = meta["color"]
    return {
        "name": marker.name,
        "frame": start + frames(marker.marked_range.start_time, rate),
        "length": frames(marker.marked_range.duration, rate) or 1,
        "note": meta.get("comment") or "",
        "colour": marker_colour(color["red"], color["green"], color["blue"]),
    }


# ElementTree


def by_elements(path, rate, model):
    root = ElementTree.parse(path).getroot()
    if (root.tag, root.get("version"), len(root)) != ("xmeml", "5", 1):
        raise ValueError("not one sequence of version 5")
    return Sequence(root[0], rate).rows()


class Sequence:
    def __init__(self, element, rate):
        self.element, self.rate = element, rate
        self.files, self.items, self.links = {}, {}, {}

    def rows(self):
        code = self.element.find("timecode")
        self.check_rates()
        self.start = int(code.findtext("frame"))
        duration = int(self.element.findtext("duration"))
        video = self.element.findall("media/video/track")
        if self.element.find("media/video/format/samplecharacteristics/width") is None:
            raise ValueError("no format: Resolve imports nothing")
        clips = [self.picture(item) for item in self.track(video, "video")]
        sides = defaultdict(list)
        for item, track in self.sound_items():
            row = self.sound(item, track)
            sides[(row["name"], row["record"][0])].append(row)
        stems = folded(sides)
        self.check_links(stems)
        if max((row["record"][1] for row in clips), default=self.start) != self.start + duration:
            raise ValueError(f"a duration of {duration}")
        return {
            "cut": {
                "name": self.element.findtext("name"),
                "start": self.start,
                "rate": f"{self.rate.numerator}/{self.rate.denominator}",
                "drop": {"DF": True, "NDF": False}[code.findtext("displayformat")],
            },
            "clips": clips,
            "stems": stems,
            "markers": [self.marker(marker) for marker in self.element.findall("marker")],
        }

    def check_rates(self):
        """Every rate in the file is the cut's."""
        for rate in self.element.iter("rate"):
            base, ntsc = int(rate.findtext("timebase")), {"TRUE": True, "FALSE": False}[rate.findtext("ntsc")]
            if (base * 1000 if ntsc else base) != self.rate * (1001 if ntsc else 1):
                raise ValueError(f"a rate of {base}, {ntsc}")

    def track(self, tracks, kind):
        if len(tracks) != 1:
            raise ValueError(f"{len(tracks)} {kind} tracks")
        return list(self.items_of(tracks[0], kind, 1))

    def sound_items(self):
        for number, track in enumerate(self.element.findall("media/audio/track"), 1):
            index = int(track.findtext("outputchannelindex"))
            for item in self.items_of(track, "audio", number):
                if int(item.findtext("sourcetrack/trackindex")) != index:
                    raise ValueError(f"{item.get('id')}: a channel on the other side's track")
                yield item, track

    def items_of(self, track, kind, number):
        free = 0
        for index, item in enumerate(track.findall("clipitem"), 1):
            if item.get("id") in self.items:
                raise ValueError(f"{item.get('id')} is there twice")
            self.items[item.get("id")] = (kind, number, index)
            self.links[item.get("id")] = item.findall("link")
            if int(item.findtext("start")) < free:
                raise ValueError(f"{item.get('id')} begins before the one before it ends")
            free = int(item.findtext("end"))
            yield item

    def file(self, item):
        """The description of an item's file: the first one in the document."""
        file = item.find("file")
        if len(file):
            if file.get("id") in self.files:
                raise ValueError(f"{file.get('id')} is described twice")
            self.files[file.get("id")] = file
        return self.files[file.get("id")]

    def clip(self, item):
        file = self.file(item)
        start, end, first, last = (int(item.findtext(name)) for name in ("start", "end", "in", "out"))
        length, offset = int(file.findtext("duration")), int(file.findtext("timecode/frame"))
        if end - start != last - first or not 0 <= first < last <= length:
            raise ValueError(f"{item.get('id')}: {first} to {last} of {length} at {start} to {end}")
        return file, {
            "name": item.findtext("name"),
            "source": [offset + first, offset + last],
            "available": [offset, offset + length],
            "record": [self.start + start, self.start + end],
            "link": path_of(file.findtext("pathurl")),
        }

    def picture(self, item):
        file, row = self.clip(item)
        log = item.find("logginginfo")
        comments = {element.tag: element.text or "" for element in item.findall("comments/*")}
        lane, provenance = known(comments, log.findtext("description"), log.findtext("lognote"))
        if f"{log.findtext('scene')}_T{int(log.findtext('shottake')):02}" != row["name"]:
            raise ValueError(f"{row['name']}: scene and take are of another")
        reel = file.findtext("timecode/reel/name")
        channels = int(file.findtext("media/audio/channelcount", "0"))
        return {**row, "track": "V1", "reel": reel, "channels": channels, "lane": lane, "provenance": provenance}

    def sound(self, item, track):
        file, row = self.clip(item)
        return {
            **row,
            "track": track.get("MZ.TrackName").split(" ")[0],
            "channel": int(item.findtext("sourcetrack/trackindex")),
            "count": int(file.findtext("media/audio/channelcount")),
        }

    def check_links(self, stems):
        """Links name what there is, where it is, and each other; channels and own sound are linked."""
        groups = {}
        for item, links in self.links.items():
            group = {link.findtext("linkclipref") for link in links}
            for link in links:
                kind, track, index = self.items[link.findtext("linkclipref")]
                there = (link.findtext("mediatype"), int(link.findtext("trackindex")), int(link.findtext("clipindex")))
                if there != (kind, track, index):
                    raise ValueError(f"{item}: a link to {there}, and not to {(kind, track, index)}")
            if group and item not in group:
                raise ValueError(f"{item} is not linked to itself")
            groups[item] = group
        for item, group in groups.items():
            if any(groups[other] != group for other in group):
                raise ValueError(f"{item}: links of one side only")
        linked = sum(len(group) > 1 for group in groups.values())
        whole = [stem for stem in stems if stem["track"] == "MIX"]
        other = [stem for stem in stems if stem["track"] != "MIX" and len(stem["channels"]) > 1]
        if linked != sum(1 + len(stem["channels"]) for stem in whole) + 2 * len(other):
            raise ValueError(f"{linked} linked clips")

    def marker(self, marker):
        first, last = int(marker.findtext("in")), int(marker.findtext("out"))
        colour = (marker.findtext(f"color/{name}") for name in ("red", "green", "blue"))
        return {
            "name": marker.findtext("name"),
            "frame": self.start + first,
            "length": 1 if last == -1 else last - first,
            "note": marker.findtext("comment"),
            "colour": marker_colour(*colour),
        }


READERS = [
    Reader("xmeml", "otio-fcp-adapter", SEES, by_otio),
    Reader("xmeml", "ElementTree", SEES, by_elements),
]
