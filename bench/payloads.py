"""JSON messages, plain and compressed (RFC 7692 §7.2.1), in files for the generator, which knows no compression."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path

from bench.proxies import BUILD
from bench.rows import Load

TAIL = b"\x00\x00\xff\xff"
LEVEL = 6  # zlib's default, and so that of most clients


def message(size: int) -> bytes:
    """Rows as an API sends them, cut to ``size`` bytes; it compresses to a quarter."""
    chance = random.Random(size)
    text = "["
    while len(text) <= size:
        row = {
            "id": chance.randrange(10**6),
            "user": f"user{chance.randrange(500)}",
            "price": round(chance.uniform(1, 999), 2),
            "state": chance.choice(["open", "paid", "sent", "returned"]),
            "at": f"2025-11-{chance.randint(1, 30):02}T{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:00Z",
        }
        text += json.dumps(row) + ", "
    return text[:size].encode()


def compressed(plain: bytes) -> bytes:
    """Refers to no other message, so a session may have it any number of times."""
    state = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return (state.compress(plain) + state.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def file(load: Load) -> Path:
    """Writes the payload of the load's messages. Returns the file."""
    plain = message(load.size)
    path = BUILD / f"json-{load.size}{'-deflate' if load.offer else ''}"
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    written.write_bytes(compressed(plain) if load.offer else plain)
    written.replace(path)  # another generator may be reading it
    return path
