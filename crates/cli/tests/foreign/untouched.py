"""Judges whether files that lost their sound still have the picture that they had, to the bit and to the tick.

Usage: untouched.py BEFORE AFTER [BEFORE AFTER ...]

Asks ffmpeg and ffprobe for the coded frames, their times, how they are turned, coloured and shaped, and how long they
are shown; walks the boxes for their order. Prints a line a file; exit code 1 where one differs.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from boxes import boxes, inside, number, timed

# What must be equal of the picture's stream; the rest of what ffprobe shows is of the file.
STREAM = [
    "codec_name",
    "codec_tag_string",
    "profile",
    "level",
    "width",
    "height",
    "coded_width",
    "coded_height",
    "pix_fmt",
    "field_order",
    "color_range",
    "color_primaries",
    "color_transfer",
    "color_space",
    "chroma_location",
    "sample_aspect_ratio",
    "display_aspect_ratio",
    "r_frame_rate",
    "avg_frame_rate",
    "time_base",
    "start_pts",
    "duration_ts",
    "nb_frames",
    "has_b_frames",
    "extradata_hash",
    "side_data_list",
    "disposition",
]
# What another container does not have, or names otherwise.
CONTAINERS_OWN = ["codec_tag_string", "time_base", "start_pts", "duration_ts", "nb_frames", "disposition", "extradata_hash"]
CONTAINERS_OWN += ["r_frame_rate", "avg_frame_rate"]
PACKET = ["pts_time", "dts_time", "duration_time", "flags", "size", "data_hash", "side_data_list"]


def main():
    files = sys.argv[1:]
    pairs = list(zip(files[::2], files[1::2], strict=True))
    with ThreadPoolExecutor(2) as pool:
        judged = list(pool.map(lambda pair: differences(*pair), pairs))
    for (_, after), found in zip(pairs, judged):
        print(f"{after}: {'; '.join(found) or 'untouched'}")
    return 1 if any(judged) or not pairs else 0


def differences(before, after):
    """Each difference in words."""
    try:
        shown = [probe(before), probe(after)]
        is_stream = shown[0]["format"]["format_name"] in ("mpegts", "avi")
        # Streams write start codes where files write lengths: what is equal of them is what is seen.
        hashed = decoded if is_stream else streamhash
        found = unlike("coded frames", hashed(before), hashed(after))
    except subprocess.CalledProcessError as error:
        return [str(error.stderr)]
    pictures = [next(one for one in file["streams"] if one["codec_type"] == "video") for file in shown]
    is_mp4 = "mp4" in shown[0]["format"]["format_name"]
    left = ["nb_frames"] if is_mp4 and pictures[0].get("nb_frames") != pictures[1].get("nb_frames") else []
    for name in set(STREAM) - set(left if is_mp4 else CONTAINERS_OWN):
        found += unlike(name, *(told(picture, name, is_mp4) for picture in pictures))
    found += (packets_differ if is_mp4 else times_differ)(*(file["packets"] for file in shown))
    found += unlike("chapters", *(chapters(file) for file in shown))
    kinds = [stream["codec_type"] for stream in shown[1]["streams"]]
    found += ["there is sound"] if "audio" in kinds else []
    found += unlike("pictures", kinds.count("video"), 1)
    return found + order(after)


def told(picture, name, is_mp4):
    """A fact of a picture; that pixels are square is told by some containers and meant by all others."""
    shape = picture.get("sample_aspect_ratio", "1:1")
    if name.endswith("aspect_ratio") and not is_mp4:
        return shape
    return picture.get(name)


def chapters(shown):
    return [(one["start_time"], one["end_time"], one.get("tags")) for one in shown["chapters"]]


def probe(path):
    shows = ["-show_streams", "-show_format", "-show_chapters", "-show_packets"]
    hashes = ["-show_data_hash", "sha256"]
    command = ["ffprobe", "-v", "error", *shows, *hashes, "-of", "json", path]
    document = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    first = next(stream["index"] for stream in document["streams"] if stream["codec_type"] == "video")
    document["packets"] = [packet for packet in document["packets"] if packet["stream_index"] == first]
    return document


def streamhash(path):
    """Of the coded frames that a player reads, by the muxer that hashes."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:v:0", "-c", "copy"]
    command += ["-f", "streamhash", "-hash", "sha256", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def decoded(path):
    """The pictures that a player shows."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:v:0", "-vsync", "passthrough"]
    lines = subprocess.run([*command, "-f", "framemd5", "-"], check=True, capture_output=True, text=True).stdout
    return [line.split(",")[-1] for line in lines.splitlines() if not line.startswith("#")]


def unlike(what, before, after):
    return [] if before == after else [f"{what}: {before!r} became {after!r}"]


def packets_differ(before, after):
    """The first packet that differs says enough."""
    found = unlike("packets", len(before), len(after))
    for number, (one, other) in enumerate(zip(before, after)):
        for name in PACKET:
            if one.get(name) != other.get(name):
                return found + unlike(f"{name} of packet {number}", one.get(name), other.get(name))
    return found


def times_differ(before, after):
    """Of another container: each packet is shown as long after the first as it was, to a millisecond and a half."""
    if len(before) != len(after):
        return unlike("packets", len(before), len(after))
    times = [[float(packet["pts_time"]) for packet in packets if "pts_time" in packet] for packets in (before, after)]
    for number, (one, other) in enumerate(zip(*times)):
        if abs((one - min(times[0])) - (other - min(times[1]))) > 0.0015:
            return unlike(f"time of packet {number}", one, other)
    return []


def order(path):
    """Whether the index stands before the media, and the movie is as long as its picture: not as its sound was."""
    content = Path(path).read_bytes()
    kinds = [box.kind for box in boxes(content)]
    if b"moov" not in kinds:
        return []
    found = []
    if b"mdat" in kinds and kinds.index(b"mdat") < kinds.index(b"moov"):
        found.append("the index stands behind the media")
    whole = max(timed(content, box)[1] for box in inside(content, "moov", "mvhd"))
    longest = max(track_length(content, box.start) for box in inside(content, "moov", "trak", "tkhd"))
    return found + ([f"plays {whole} ticks, of which its tracks have {longest}"] if whole != longest else [])


def track_length(content, start):
    """The length in a track's header, in ticks of the movie's clock."""
    long = content[start] == 1
    return number(content, start + (28 if long else 20), long)


if __name__ == "__main__":
    sys.exit(main())
