"""What MediaInfo says of a file."""

from fractions import Fraction

from facts_words import close, described, one_of, text, under

CONTAINERS = {
    "AVI": "avi",
    "Flash Video": "flv",
    "Matroska": "matroska",
    "WebM": "matroska",
    "MPEG-PS": "mpeg",
    "MPEG-TS": "mpegts",
    "MXF": "mxf",
}
CODECS = {
    "AVC": "h264",
    "HEVC": "hevc",
    "AV1": "av1",
    "VP9": "vp9",
    "vp09": "vp9",
    "MPEG-4 Visual": "mpeg4",
    "MPEG Video": "mpeg2video",
    "ProRes": "prores",
    "VC-3": "dnxhd",
    "JPEG": "mjpeg",
    "PNG": "png",
    "YUV": "rawvideo",
    "AAC": "aac",
    "ALAC": "alac",
    "AC-3": "ac3",
    "E-AC-3": "eac3",
    "Opus": "opus",
    "FLAC": "flac",
}
PRIMARIES = {"BT.709": "bt709", "BT.601 NTSC": "smpte170m", "BT.601 PAL": "bt470bg", "BT.2020": "bt2020"}
TRANSFERS = {
    "BT.709": "bt709",
    "BT.601": "smpte170m",
    "BT.470 System B/G": "bt470bg",
    "PQ": "smpte2084",
    "HLG": "arib-std-b67",
}
MATRICES = {
    "BT.709": "bt709",
    "BT.601": "smpte170m",
    "BT.470 System B/G": "bt470bg",
    "BT.2020 non-constant": "bt2020nc",
    "Identity": "gbr",
}
LAYOUTS = {"M": ["mono"], "C": ["mono"], "L R": ["stereo"]}


def by_mediainfo(tracks, tick):
    """`tick` is how many seconds a tick of the movie's clock lasts, to which MediaInfo rounds."""
    general = tracks[0]
    kinds = [track["@type"] for track in tracks]
    facts = {
        "bytes": int(general["FileSize"]),
        "tracks.video": kinds.count("Video"),
        "tracks.audio": kinds.count("Audio"),
    }
    is_movie = general["Format"] not in CONTAINERS
    if is_movie:
        facts |= movie_by_mediainfo(general, tracks)
    else:
        facts["container"] = CONTAINERS[general["Format"]]
    if "Video" in kinds:
        facts |= under("video", picture_by_mediainfo(tracks[kinds.index("Video")], is_movie, tick))
    if "Audio" in kinds:
        facts |= under("audio", sound_by_mediainfo(tracks[kinds.index("Audio")], is_movie, tick))
    return facts


def movie_by_mediainfo(general, tracks):
    facts = {"container": "mov" if general.get("Format_Profile") == "QuickTime" else one_of("mp4", "m4a")}
    if "CodecID" in general:
        facts["brands.major"] = general["CodecID"]
    if "IsStreamable" in general:
        facts["fast_start"] = general["IsStreamable"] == "Yes"
    if "OverallBitRate" in general:
        # Over a time of whole milliseconds.
        bit_rate = int(general["OverallBitRate"])
        facts["bit_rate"] = close(bit_rate, round(bit_rate * 0.002 / float(general["Duration"])))
    clocks = [track for track in tracks if track.get("Type") == "Time code" and track["Format"] == "QuickTime TC"]
    facts["timecode.start"] = clocks[0]["TimeCode_FirstFrame"] if clocks else None
    facts["timecode.frames_per_second"] = round(float(clocks[0]["FrameRate"])) if clocks else None
    return facts


def picture_by_mediainfo(track, is_movie, tick):
    facts = {"codec": CODECS[track["Format"]]} | sizes_by_mediainfo(track)
    facts |= depth_by_mediainfo(track) | level_by_mediainfo(track)
    if "Rotation" in track:
        facts["rotation"] = round(float(track["Rotation"]))
    if "colour_range" in track:
        facts["colour.range"] = {"Limited": "tv", "Full": "pc"}[track["colour_range"]]
    names = [("primaries", "colour_primaries", PRIMARIES), ("transfer", "transfer_characteristics", TRANSFERS)]
    for fact, name, table in [*names, ("matrix", "matrix_coefficients", MATRICES)]:
        if name in track:
            facts[f"colour.{fact}"] = table[track[name]]
    if delay(track) <= 0:
        # Else it counts the time before the picture as picture.
        if "FrameCount" in track:
            facts["frames"] = int(track["FrameCount"])
        facts["duration_us"] = close(round(float(track["Duration"]) * 1_000_000), 1000 + round(tick * 1_000_000))
    if is_movie:
        facts |= table_by_mediainfo(track)
        if "Source_Duration" not in track:
            facts["coded_frames"] = int(track["FrameCount"])
        if track.get("FrameRate_Mode") == "VFR":
            facts["rate"] = None
        elif "FrameRate_Num" in track:
            facts["rate"] = text(Fraction(int(track["FrameRate_Num"]), int(track["FrameRate_Den"])))
    return facts


def delay(track):
    """Milliseconds, below zero where the edit list leaves out a beginning."""
    return int(track.get("extra", {}).get("Source_Delay", 0))


def sizes_by_mediainfo(track):
    shape = float(track["PixelAspectRatio"])
    return {
        "width": int(track["Width"]),
        "height": int(track["Height"]),
        "pixel_aspect": described(lambda found: abs(found[0] / found[1] - shape) < 0.001, f"about {shape}"),
    }


def depth_by_mediainfo(track):
    """The sampling and the depth, as FFmpeg would name them."""
    if track.get("ColorSpace") != "YUV" or "BitDepth" not in track or "ChromaSubsampling" not in track:
        return {}
    sampling, depth = track["ChromaSubsampling"].replace(":", ""), track["BitDepth"]
    if track["Format"] == "YUV":
        return {}  # packed otherwise
    end = "" if depth == "8" else f"{depth}le"
    return {"pixel_format": one_of(*(f"yuv{letter}{sampling}p{end}" for letter in ["", "j", "a"]))}


def level_by_mediainfo(track):
    facts = {}
    if track["Format"] in ("AVC", "HEVC") and "Format_Profile" in track:
        facts["profile"] = track["Format_Profile"]
    level = track.get("Format_Level", "")
    if track["Format"] == "AVC" and level:
        facts["level"] = 9 if level == "1b" else round(float(level) * 10)
    if track["Format"] == "HEVC" and level:
        facts["level"] = round(float(level) * 30)
    if track["Format"] == "AV1" and level:
        facts["level"] = (int(level[0]) - 2) * 4 + int(level[2])
    return facts


def table_by_mediainfo(track):
    """Of all packets, if an edit list leaves out some. MediaInfo's times are whole milliseconds."""
    prefix = "Source_" if "Source_Duration" in track else ""
    if f"{prefix}StreamSize" not in track or f"{prefix}Duration" not in track:
        return {}
    bit_rate = 8 * int(track[f"{prefix}StreamSize"]) / float(track[f"{prefix}Duration"])
    return {"bit_rate": close(round(bit_rate), round(bit_rate * 0.002 / float(track[f"{prefix}Duration"])) + 1)}


def sound_by_mediainfo(track, is_movie, tick):
    facts = {"sample_rate": int(track["SamplingRate"])}
    if "Channels" in track:
        facts["channels"] = int(track["Channels"])
    if track["Format"] in CODECS:
        facts["codec"] = CODECS[track["Format"]]
    if track["Format"] == "AAC" and "Format_AdditionalFeatures" in track:
        facts["profile"] = track["Format_AdditionalFeatures"]
    if track.get("ChannelLayout") in LAYOUTS:
        facts["layout"] = one_of(*LAYOUTS[track["ChannelLayout"]])
    if is_movie:
        facts |= table_by_mediainfo(track)
        if "SamplingCount" in track:
            facts["samples"] = close(int(track["SamplingCount"]), round((0.001 + tick) * facts["sample_rate"]) + 1)
        if delay(track) < 0:
            facts["priming"] = close(-delay(track) * facts["sample_rate"] / 1000, facts["sample_rate"] / 1000)
    return facts
