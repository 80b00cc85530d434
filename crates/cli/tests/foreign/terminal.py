"""Runs a program on a terminal of 40 lines of 160 columns; prints as JSON what stands on its screen at the end."""

import fcntl
import json
import os
import pty
import struct
import sys
import termios

import pyte

pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
screen = pyte.Screen(160, 40)
stream = pyte.ByteStream(screen)
seen, drawn = set(), 0
while True:
    try:
        block = os.read(terminal, 65536)
    except OSError:
        # How Linux says that nobody has the other end any more.
        break
    if not block:
        break
    drawn += len(block)
    stream.feed(block)
    for line in screen.display:
        words = line.split()
        if len(words) > 1:
            seen.add(" ".join(words[:2]))
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
lines = [line.rstrip() for line in screen.display if line.strip()]
print(json.dumps({"code": code, "lines": lines, "seen": sorted(seen), "bytes": drawn}))
