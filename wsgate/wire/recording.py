"""The format of a recorded session: what stands in its file, byte by byte (docs/recording.md).

A line that names the format, a line of JSON that says whose session it is, then records: an octet for what it holds,
the microseconds since the session began (8 octets), the length of what follows (4 octets), all big-endian. The last
record says how the session, or its recording, has ended. A file without it was cut, and is good up to its last whole
record.
"""

from __future__ import annotations

import enum
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass

MAGIC = b"wsgate recording 1\n"
HEAD_LIMIT = 64 << 10  # bytes of JSON in a file's second line; a request head is smaller
RECORD = struct.Struct(">BQI")
STOPPED = "stopped"  # the cause in a last record where the recording has ended and the session has not
PAYLOAD_LIMIT = 16 << 20  # bytes in a record; the gateway writes what it has read at once, some hundred KiB


class Kind(enum.IntEnum):
    """What a record holds."""

    UP = ord("U")  # bytes from the client to the service
    DOWN = ord("D")  # bytes from the service to the client
    END = ord("E")  # JSON: how it ended


@dataclass(frozen=True, slots=True)
class Record:
    """What went in one direction, ``time`` microseconds after the session began; or the end, with its JSON."""

    kind: Kind
    time: int
    payload: bytes


def encode_head(fields: Mapping[str, object]) -> bytes:
    """The beginning of a file."""
    return MAGIC + _json(fields) + b"\n"


def encode_end(time: int, fields: Mapping[str, object]) -> bytes:
    """The last record of a file. ``time``: microseconds since the session began."""
    payload = _json(fields)
    return RECORD.pack(Kind.END, time, len(payload)) + payload


def parse_fields(data: bytes) -> dict[str, object]:
    """The JSON of a head or an end. Raises ``ValueError`` where it is no JSON object."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    return fields


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()
