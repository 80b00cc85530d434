"""Reads the record frame numbers that are burnt into picture references, as bars, from decoded frames.

    bars.py FILE FRAME…        prints a number a line, in the order in which they were asked for
    bars.py --all FILE         prints the numbers of all frames

FRAME counts from 0, the first frame that ffmpeg decodes. What a number says: the frame since midnight at which that
frame stands in the cut. A frame without readable bars ends the program with status 1 and says which one.

How the bars are made stands in crates/av/src/reference/bars.rs: 32 square cells in a row in the upper left corner, 8
pixels for each whole 512 pixels of the picture's width a side, and at least 8; 1 0 1 0, 24 bits, 4 bits of check.

Only the standard library, ffprobe and ffmpeg. As a module: `bars.read(path, [0, 24])`, `bars.read(path)`.
"""

import subprocess
import sys

CELLS = 32


class Unreadable(Exception):
    """There are no bars where they should be."""


def size(path):
    asked = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height"]
    said = subprocess.run([*asked, "-of", "csv=p=0", path], check=True, capture_output=True, text=True).stdout
    width, height = said.strip().rstrip(",").split(",")[:2]
    return int(width), int(height)


def side_of(width):
    return 8 * max(1, width // 512)


def decode(path, frames):
    """The grey pixels of the strip with the bars, of each frame in order, and the side of a cell."""
    side = side_of(size(path)[0])
    wide = CELLS * side
    chosen = f"select='{'+'.join(f'eq(n,{frame})' for frame in sorted(set(frames)))}'," if frames is not None else ""
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0:v:0", "-vf", f"{chosen}crop={wide}:{side}:0:0"]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    pixels = subprocess.run(command, check=True, capture_output=True).stdout
    length = wide * side
    assert len(pixels) % length == 0, f"{path}: {len(pixels)} bytes of strips of {length}"
    return [pixels[at : at + length] for at in range(0, len(pixels), length)], side


def number_of(strip, side):
    """The number that a strip says."""
    wide = CELLS * side
    middle = range(side // 4, side - side // 4)
    means = []
    for cell in range(CELLS):
        dots = [strip[row * wide + cell * side + column] for row in middle for column in middle]
        means.append(sum(dots) / len(dots))
    white, black = (means[0] + means[2]) / 2, (means[1] + means[3]) / 2
    if white - black < 60:
        raise Unreadable(f"no bars: white is {white:.0f}, black is {black:.0f}")
    word = 0
    for mean in means:
        word = word << 1 | (mean > (white + black) / 2)
    number, check = word >> 4 & 0xFFFFFF, 0b0101
    for group in range(6):
        check ^= number >> 4 * group & 0xF
    if word >> 28 != 0b1010 or word & 0xF != check:
        raise Unreadable(f"these are no bars: {word:032b}")
    return number


def read(path, frames=None):
    """The numbers of these frames, or of all."""
    strips, side = decode(path, frames)
    if frames is None:
        return [number_of(strip, side) for strip in strips]
    wanted = sorted(set(frames))
    if len(strips) != len(wanted):
        raise Unreadable(f"{path}: of {len(wanted)} frames there are {len(strips)}")
    found = {}
    for frame, strip in zip(wanted, strips):
        try:
            found[frame] = number_of(strip, side)
        except Unreadable as error:
            raise Unreadable(f"{path}: frame {frame}: {error}") from error
    return [found[frame] for frame in frames]


def main(arguments):
    try:
        if arguments[:1] == ["--all"]:
            [path] = arguments[1:]
            numbers = read(path)
        else:
            path, *frames = arguments
            numbers = read(path, [int(frame) for frame in frames])
    except Unreadable as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(map(str, numbers)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
