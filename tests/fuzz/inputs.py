"""Bytes that are nearly right: what a protocol allows, changed in a few places, and cut anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random

# Where parsers go wrong: ends of ranges, separators, the beginnings of UTF-8 sequences
_ODD = [b"\x00", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b";", b'"', b"\\", b"%", b"/", b"-", b"\x7f", b"\x80"]
_ODD += [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0", b"\xf4\x90", b"0", b"-1", b"65536", b"99999999999999999999"]


def chance(random: Random, one_in: int) -> bool:
    return random.randrange(one_in) == 0


def mutated(random: Random, data: bytes, one_in: int = 2) -> bytes:
    """``data`` with up to eight changes; as it is but for one time in ``one_in``."""
    if not chance(random, one_in):
        return data
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randrange(len(changed) + 1)
        end = min(len(changed), at + random.choice((0, 1, 1, 2, 4, 40)))
        kind = random.randrange(6)
        if kind == 0:
            changed[at:end] = b""
        elif kind == 1:
            changed[at:end] = random.choice(_ODD)
        elif kind == 2:
            changed[at:end] = random.randbytes(end - at)
        elif kind == 3:
            changed[at:at] = changed[at:end] * random.choice((1, 1, 2, 50))
        elif kind == 4 and at < len(changed):
            changed[at] ^= 1 << random.randrange(8)
        else:
            start = random.randrange(len(changed) + 1)
            changed[at:at] = changed[start : start + random.randrange(20)]
    return bytes(changed)


def cut(random: Random, data: bytes) -> list[bytes]:
    """``data`` in pieces: whole, byte by byte, or cut in some places."""
    kind = random.randrange(6)
    if kind == 0 and len(data) < 2000:
        return [data[at : at + 1] for at in range(len(data))]
    places = [random.randrange(len(data) + 1) for _ in range(0 if kind == 1 else random.randrange(1, 6))]
    return [data[start:end] for start, end in itertools.pairwise([0, *sorted(places), len(data)])]


def some(random: Random, choices: Sequence[bytes], most: int) -> list[bytes]:
    return random.choices(choices, k=random.randrange(most + 1)) if choices else []
