"""Files of the corpus that no muxer at hand writes, made of some that one did."""

import struct

from boxes import C2PA, inside


def patch(folder):
    """Files that no muxer here writes, made of some that one did."""
    slow, fast = (folder / "h264_main.mp4").read_bytes(), (folder / "fast_start.mp4").read_bytes()
    credentials = box(b"uuid", C2PA + bytes(4) + b"manifest\0" + bytes(8) + b"not a manifest")
    (folder / "c2pa.mp4").write_bytes(insert(fast, credentials))
    (folder / "c2pa_slow.mp4").write_bytes(insert(slow, credentials))
    (folder / "other_uuid.mp4").write_bytes(insert(fast, box(b"uuid", bytes(range(16)) + b"something else")))
    (folder / "free.mp4").write_bytes(insert(fast, box(b"free", bytes(100)) + box(b"skip", b"")))
    (folder / "wide.mov").write_bytes(insert((folder / "fast_start.mov").read_bytes(), box(b"wide", b"")))
    (folder / "long_size.mp4").write_bytes(lengthen(fast))
    (folder / "to_the_end.mp4").write_bytes(to_the_end(fast))


def box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def insert(content, inserted):
    """Puts boxes behind `ftyp`; the media moves, and the index with it."""
    end = inside(content, "ftyp")[0].end
    return content[:end] + inserted + moved(content[end:], len(inserted))


def moved(content, distance):
    """Adds to each chunk's place; the muxers here write places of 32 bits."""
    content = bytearray(content)
    at = content.find(b"stco")
    while at >= 0:
        count = struct.unpack(">I", content[at + 8 : at + 12])[0]
        for entry in range(at + 12, at + 12 + 4 * count, 4):
            place = struct.unpack(">I", content[entry : entry + 4])[0]
            content[entry : entry + 4] = struct.pack(">I", place + distance)
        at = content.find(b"stco", at + 4)
    return bytes(content)


def lengthen(content):
    """The media's box with a length of 64 bits."""
    media = inside(content, "mdat")[0]
    head = struct.pack(">I4sQ", 1, b"mdat", media.end - media.at + 8)
    return moved(content[: media.at], 8) + head + content[media.start :]


def to_the_end(content):
    """The media's box, last in the file, with no length."""
    at = inside(content, "mdat")[0].at
    return content[:at] + bytes(4) + content[at + 4 :]
