"""What a walk through the boxes of an MP4 or MOV tells, much of which no other reader prints."""

import struct

from boxes import C2PA, boxes, inside, number, timed
from facts_words import close


def by_boxes(content):
    top = list(boxes(content))
    kinds = [box.kind for box in top]
    if b"moov" not in kinds:
        return {}
    facts = {
        "fast_start": b"mdat" not in kinds or kinds.index(b"moov") < kinds.index(b"mdat"),
        "fragmented": b"moof" in kinds,
        "c2pa": any(box.kind == b"uuid" and content[box.start : box.start + 16] == C2PA for box in top),
    }
    for box in reversed(inside(content, "moov", "trak")):
        track = content[box.start : box.end]
        handler = inside(track, "mdia", "hdlr")[0].start + 8
        name = {b"vide": "video", b"soun": "audio"}.get(track[handler : handler + 4])
        if name:
            facts |= track_by_boxes(track, name)
    if "audio.edits" in facts and not facts["fragmented"]:
        facts |= lead_and_tail(content, facts)
    return {fact: value for fact, value in facts.items() if not fact.startswith("_")}


def track_by_boxes(track, name):
    scale, ticks = timed(track, inside(track, "mdia", "mdhd")[0])
    entry = inside(track, "mdia", "minf", "stbl", "stsd")[0].start + 8
    return {
        f"{name}.edits": [edit for box in inside(track, "edts", "elst") for edit in edits(track, box.start)],
        f"{name}.timescale": scale,
        f"_{name}.ticks": ticks,
        f"_{name}.rate": number(track, entry + 32) >> 16,
    }


def edits(content, at):
    long = content[at] == 1
    form = ">Qqi" if long else ">Iii"
    entries = struct.iter_unpack(form, content[at + 8 :][: number(content, at + 4) * struct.calcsize(form)])
    return [{"length": length, "media_time": time if time >= 0 else None} for length, time, _ in entries]


def lead_and_tail(content, facts):
    """What the only edit leaves out; in samples, so that the track's clock must be the sound's."""
    listed = [edit for edit in facts["audio.edits"] if edit["media_time"] is not None]
    if len(listed) != 1 or facts["_audio.rate"] != facts["audio.timescale"]:
        return {}
    lead = listed[0]["media_time"]
    held = facts["_audio.ticks"] - lead
    length = listed[0]["length"] * facts["_audio.rate"] / tick_rate(content) or held
    return {"audio.priming": lead, "audio.padding": close(max(0, held - length), 0.5)}


def tick_rate(content):
    """Ticks of the movie's clock in a second; none where there is no movie."""
    heads = inside(content, "moov", "mvhd")
    return timed(content, heads[0])[0] if heads else None
