"""What ffprobe says of a file, and what ffmpeg decodes."""

import json
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

from facts_words import between, close, one_of, text, under


def by_ffprobe(path, decoded):
    shown = ffprobe(path)
    container, streams = shown["format"], shown["streams"]
    is_movie = "mp4" in container["format_name"]
    pictures = [one for one in streams if one["codec_type"] == "video" and not one["disposition"]["attached_pic"]]
    sounds = [one for one in streams if one["codec_type"] == "audio"]
    facts = {
        "container": one_of(*container["format_name"].split(",")),
        "bytes": int(container["size"]),
        "tracks.video": len(pictures),
        "tracks.audio": len(sounds),
    }
    whole = Table(ffprobe(path, "-ignore_editlist", "1")) if is_movie else None
    if is_movie:
        facts |= movie_by_ffprobe(container, streams)
    if pictures:
        facts |= under("video", picture_by_ffprobe(pictures[0], whole, decoded))
    if sounds:
        facts |= under("audio", sound_by_ffprobe(sounds[0], whole, Table(shown), decoded))
    return facts


def ffprobe(path, *options):
    shows = ["-show_format", "-show_streams", "-show_packets"]
    command = ["ffprobe", "-v", "error", *options, *shows, "-of", "json", path]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


class Table:
    """The packets of each stream, and its length."""

    def __init__(self, shown):
        self.packets = {stream["index"]: [] for stream in shown["streams"]}
        self.ticks = {stream["index"]: stream.get("duration_ts") for stream in shown["streams"]}
        for packet in shown["packets"]:
            self.packets[packet["stream_index"]].append(packet)

    def facts(self, stream):
        """What the tables sum up to; the bit rate is exact, for both sides divide the same numbers."""
        ticks, base = self.ticks[stream["index"]], Fraction(stream["time_base"])
        bits = 8 * sum(int(packet["size"]) for packet in self.packets[stream["index"]])
        bit_rate = {"bit_rate": int(bits / (ticks * base))} if ticks else {}
        return bit_rate | {"timescale": base.denominator, "ticks": ticks}

    def lengths(self, index):
        """Of the packets; FFmpeg's own `duration` of one is a guess where frames are reordered."""
        starts = [packet["dts"] for packet in self.packets[index]]
        ends = [*starts[1:], starts[0] + self.ticks[index]]
        return [end - start for start, end in zip(starts, ends)]


def decode(folder, names):
    """Decodes the first picture and the first sound of each file; pairs of its name and what there was."""
    with tempfile.TemporaryDirectory() as written:
        command = ["ffmpeg", "-nostdin", "-v", "error", "-copyts"]
        for name in names:
            command += ["-threads", "1", "-i", folder / name]
        for number in range(len(names)):
            maps = ["-map", f"{number}:V:0?", "-map", f"{number}:a:0?", "-vsync", "passthrough", "-c:a", "pcm_s16le"]
            command += [*maps, "-f", "framecrc", f"{written}/{number}"]
        subprocess.run(command, capture_output=True, text=True, check=True)
        return [(name, count(Path(written, str(number)).read_text())) for number, name in enumerate(names)]


def count(listed):
    """Frames, samples, and where the sound ends in samples on the file's own clock: with silence and holes before."""
    lines = listed.splitlines()
    kinds = {line.split(" ")[1].strip(":"): line.rsplit(" ", 1)[1] for line in lines if line.startswith("#media_type")}
    frames, samples, end = 0, 0, 0
    for line in lines:
        if not line.startswith("#"):
            stream, _, start, length, *_ = line.split(",")
            if kinds[stream.strip()] == "video":
                frames += 1
            else:
                samples += int(length)
                end = int(start) + int(length)
    return {"frames": frames, "samples": samples, "end": end}


def movie_by_ffprobe(container, streams):
    # The movie's clock may be coarser than its tracks' are.
    length, bit_rate = float(container["duration"]), int(container["bit_rate"])
    facts = {"bit_rate": close(bit_rate, round(bit_rate * 0.002 / length))}
    tags = container.get("tags", {})
    if "major_brand" in tags:
        compatible = tags["compatible_brands"]
        facts["brands.major"] = tags["major_brand"]
        facts["brands.minor"] = int(tags["minor_version"])
        facts["brands.compatible"] = [compatible[at : at + 4] for at in range(0, len(compatible), 4)]
    attached = sum(stream["disposition"]["attached_pic"] for stream in streams)
    kinds = [stream["codec_type"] for stream in streams]
    facts["tracks.other"] = len(kinds) - attached - kinds.count("audio") - (kinds.count("video") - attached)
    coded = [one["tags"]["timecode"] for one in streams if "timecode" in one.get("tags", {})]
    facts["timecode.start"] = coded[0] if coded else None
    facts["timecode.drop_frame"] = ";" in coded[0] if coded else None
    return facts


def picture_by_ffprobe(stream, whole, decoded):
    facts = {
        "codec": stream["codec_name"],
        "profile": stream.get("profile"),
        "level": stream["level"] if stream.get("level", -99) != -99 else None,
        "width": stream["width"],
        "height": stream["height"],
        "pixel_format": stream.get("pix_fmt"),
        "frames": decoded["frames"],
        "rotation": -rotation(stream) % 360,
        "pixel_aspect": aspect(stream),
        "colour.range": known(stream, "color_range"),
        "colour.primaries": known(stream, "color_primaries"),
        "colour.transfer": known(stream, "color_transfer"),
        "colour.matrix": known(stream, "color_space"),
    }
    if whole:
        facts |= whole.facts(stream)
        facts["coded_frames"] = int(stream.get("nb_frames", len(whole.packets[stream["index"]])))
        facts["rate"] = rate_by_ffprobe(stream, whole.lengths(stream["index"]))
        # FFmpeg rounds an edit to the track's clock.
        tick = Fraction(stream["time_base"]) * 1_000_000
        facts["duration_us"] = close(round(tick * stream["duration_ts"]), 1 + int(tick))
    else:
        facts["rate"] = text(Fraction(stream["r_frame_rate"]))
    return facts


def rotation(stream):
    sides = stream.get("side_data_list", [])
    return next((int(side["rotation"]) for side in sides if "rotation" in side), 0)


def aspect(stream):
    wide, high = map(int, stream.get("sample_aspect_ratio", "1:1").split(":"))
    return [wide, high] if wide and high else [1, 1]


def known(stream, name):
    return None if stream.get(name) in (None, "unknown") else stream[name]


def rate_by_ffprobe(stream, lengths):
    """A clock that is too coarse for the rate makes frames that differ by a tick."""
    if max(lengths) == min(lengths) > 0:
        return text(1 / (lengths[0] * Fraction(stream["time_base"])))
    return text(Fraction(stream["r_frame_rate"])) if max(lengths) - min(lengths) == 1 else None


def sound_by_ffprobe(stream, whole, shown, decoded):
    rate = int(stream["sample_rate"])
    facts = {
        "codec": stream["codec_name"],
        "profile": known(stream, "profile"),
        "sample_rate": rate,
        "channels": stream["channels"],
        "layout": known(stream, "channel_layout"),
    }
    if whole:
        packets = shown.packets[stream["index"]]
        facts |= whole.facts(stream)
        facts["samples"] = heard(packets, Fraction(stream["time_base"]) * rate, decoded["end"])
        skipped = [side["skip_samples"] for side in packets[0].get("side_data_list", []) if "skip_samples" in side]
        if skipped and skipped[0]:
            facts["priming"] = skipped[0]
    else:
        # The packets of other containers say what is decoded, but for the encoder's lead.
        facts["samples"] = between(decoded["samples"] - 2048, decoded["samples"])
    return facts


def heard(packets, samples_a_tick, end):
    """FFmpeg 5.1 plays a last packet to its end, whatever the edit list says: that much may be less."""
    tail = max(1024, round(int(packets[-1].get("duration", 0)) * samples_a_tick))
    return between(end - tail, end)
