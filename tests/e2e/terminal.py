#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""terminal.py: a terminal with nobody before it, and the picture of what it shows.

    terminal.py run SCREEN STATUS COLUMNS INPUT COMMAND…
        runs a command in a terminal of so many columns. What it writes goes to SCREEN, its exit
        status to STATUS when it has ended. What is put into the file INPUT is typed.
    terminal.py picture SCREEN PICTURE
        draws the half blocks that are on the screen as a PGM picture, each as wide as two are high
"""

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios

MODULE = 8  # pixels
COLOURED = "\x1b[30;47m"


def typed(path, at):
    """What stands in the file behind the first `at` bytes."""
    try:
        with open(path, "rb") as file:
            file.seek(at)
            return file.read()
    except FileNotFoundError:
        return b""


def run(screen, status, columns, keys, *command):
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, int(columns), 0, 0))
        os.execvp(command[0], command)
    at = 0
    with open(screen, "wb", buffering=0) as shown:
        while True:
            more = typed(keys, at)
            at += os.write(terminal, more) if more else 0
            if not select.select([terminal], [], [], 0.05)[0]:
                continue
            try:
                chunk = os.read(terminal, 1 << 16)
            except OSError:     # nobody has it open any more
                chunk = b""
            if not chunk:
                break
            shown.write(chunk)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(status + ".new", "w") as file:
        print(code, file=file)
    os.rename(status + ".new", status)


def rows(line):
    """The two rows of dark modules that a line is; None when it is no line of half blocks."""
    coloured = line.startswith(COLOURED)
    cells = line[len(COLOURED):].replace("\x1b[0m", "") if coloured else line
    if not re.fullmatch("[ ▀▄█]+", cells) or len(cells) < 21:
        return None
    upper = [(cell in "▀█") == coloured for cell in cells]
    lower = [(cell in "▄█") == coloured for cell in cells]
    return upper, lower


def picture(screen, path):
    with open(screen, encoding="utf-8", newline="\n") as file:
        lines = [rows(line.rstrip("\r\n")) for line in file]
    dark = [row for pair in lines if pair for row in pair]
    if not dark:
        sys.exit("nothing is drawn there")
    with open(path, "wb") as file:
        file.write(b"P5 %d %d 255\n" % (len(dark[0]) * MODULE, len(dark) * MODULE))
        for row in dark:
            file.write(b"".join((b"\0" if module else b"\xff") * MODULE for module in row) * MODULE)


if __name__ == "__main__":
    {"run": run, "picture": picture}[sys.argv[1]](*sys.argv[2:])
