"""What the tests of panes share: a program that keeps a record of what it is given, and a terminal to attach with."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from conftest import BUILD

# A program as coding agents are: raw mode, bracketed paste, a composer that folds long pastes, submits on Enter, and
# writes down each prompt as one line of JSON. `busy` shows while it "works".
COMPOSER = r'''
import json, os, sys, termios, tty, select, time
fd = 0
record = open(sys.argv[1], "a")
pace = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
tty.setraw(fd)
out = os.fdopen(1, "wb", buffering=0)
out.write(b"\x1b[?2004h\x1b[2J")
typed = b""
status = b"idle"
def draw():
    text = typed.decode("utf-8", "replace").replace("\r", "\n")
    shown = f"[Pasted text +{text.count(chr(10))} lines]" if len(text) > 200 or text.count("\n") > 3 else text
    screen = b"\x1b[2J\x1b[H" + b"agent\r\n----\r\n"
    first = True
    for line in shown.split("\n"):
        screen += (b"> " if first else b"  ") + line.encode() + b"\r\n"
        first = False
    screen += b"----\r\n" + status
    out.write(screen)
draw()
data = b""
while True:
    data += os.read(fd, 65536)
    while data:
        if data.startswith(b"\x1b[200~"):
            end = data.find(b"\x1b[201~")
            if end < 0:
                break
            typed += data[6:end]
            data = data[end + 6:]
            continue
        if b"\x1b[200~".startswith(data):
            break
        key, data = data[:1], data[1:]
        if key == b"\r":
            record.write(json.dumps(typed.decode("utf-8").replace("\r", "\n")) + "\n")
            record.flush()
            typed = b""
            if pace:
                status = b"busy"
                draw()
                time.sleep(pace)
                status = b"idle"
        elif key == b"\x04":
            sys.exit(0)
        else:
            typed += key
    draw()
'''

PROGRAM = {
    "kind": "composer",
    "composer": "^> ?(.*)$",
    "composer_end": "^----",
    "otherwise": "starting",
    "rules": [
        {"state": "permission", "pattern": "^Allow\\?", "bottom_lines": 3},
        {"state": "busy", "pattern": "^busy$", "bottom_lines": 1},
    ],
}


def clean(text):
    """What a terminal may be given of a text, as docs/api.md says; written anew, not taken from the product."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in "\n\t" or not (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0))


class Terminal:
    """A program of ours in a terminal of its own, as a person would run it."""

    def __init__(self, argv, env, cols=100, rows=30):
        self.master, slave = pty.openpty()
        self.resize(cols, rows)
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env={**env, "TERM": "xterm-256color"}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.slave = slave
        self.seen = b""

    def resize(self, cols, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, data):
        os.write(self.master, data)

    def read(self, timeout=0.05):
        if select.select([self.master], [], [], timeout)[0]:
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                return

    def until(self, wanted, timeout=20):
        end = time.monotonic() + timeout
        while wanted not in self.seen:
            assert time.monotonic() < end, f"{wanted!r} did not come: {self.seen[-2000:]!r}"
            self.read()

    def mode(self):
        return termios.tcgetattr(self.slave)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def swarmctl(daemon, *words, **size):
    return Terminal([BUILD / "bin/swarmctl", *words], daemon.env, **size)
