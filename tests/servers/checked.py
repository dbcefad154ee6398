# SPDX-License-Identifier: Apache-2.0
"""Tokens that prove themselves: whoever reads one can tell that it is whole and unmixed.

    PREFIX.COUNTER.EXPIRY.FILL.SUM      tfs.00000017.1763798400123.RRRR….9c3f0a11

COUNTER says which one it is, EXPIRY is its end in ms since the epoch, FILL is one letter that
follows from the counter, repeated so often that neighbours differ in length too, and SUM is the
FNV-1a hash (32 bits) of all that stands before the last dot. stress.c knows the same structure.
"""

import re

FORM = re.compile(r"([a-z]{3})\.(\d{8})\.(\d{13})\.([A-Z]+)\.([0-9a-f]{8})")


def fill(counter):
    return chr(ord("A") + counter % 26) * (64 + counter * 97 % 2000)


def fnv1a(text):
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def make(counter, expiry_ms, prefix="tfs"):
    text = f"{prefix}.{counter:08d}.{expiry_ms:013d}.{fill(counter)}"
    return f"{text}.{fnv1a(text):08x}"


def expiry_ms(token):
    """The end of a token that is whole; None for anything else."""
    parts = FORM.fullmatch(token)
    if not parts:
        return None
    head = token.rpartition(".")[0]
    if parts[4] != fill(int(parts[2])) or int(parts[5], 16) != fnv1a(head):
        return None
    return int(parts[3])
