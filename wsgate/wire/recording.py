"""The format of a recording: the file of a recorded session, byte by byte (docs/recording.md).

The first line names the format, the second is JSON about the session. Records follow, each with a header of three
big-endian numbers: its kind (1 byte), the microseconds since the session began (8 bytes), the length of its payload (4
bytes). The last record says how the session, or its recording, ended. A file without it is incomplete, and valid up to
its last whole record.
"""

from __future__ import annotations

import enum
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass

MAGIC = b"wsgate recording 1\n"
HEAD_LIMIT = 64 << 10  # bytes of JSON in a file's second line; a request head is smaller
RECORD_HEADER = struct.Struct(">BQI")
STOPPED = "stopped"  # the cause in a last record if the recording ended before the session
PAYLOAD_LIMIT = 16 << 20  # bytes in a record; the gateway writes one record for each read, some hundred KiB


class RecordKind(enum.IntEnum):
    """What a record of a recording holds."""

    UP = ord("U")  # bytes from the client to the service
    DOWN = ord("D")  # bytes from the service to the client
    END = ord("E")  # JSON: how it ended


@dataclass(frozen=True, slots=True)
class RecordingRecord:
    """A record of a recording.

    time: microseconds since the session began
    payload: the bytes that were moved in one direction; JSON if ``kind`` is ``END``
    """

    kind: RecordKind
    time: int
    payload: bytes


def encode_head(fields: Mapping[str, object]) -> bytes:
    """Returns the beginning of a recording; ``fields`` are about the session."""
    return MAGIC + _json(fields) + b"\n"


def encode_end(time: int, fields: Mapping[str, object]) -> bytes:
    """Returns the last record of a recording. ``time``: microseconds since the session began."""
    payload = _json(fields)
    return RECORD_HEADER.pack(RecordKind.END, time, len(payload)) + payload


def parse_fields(data: bytes) -> dict[str, object]:
    """Returns the JSON of a head or of an end. Raises ``ValueError`` when it is no JSON object."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    return fields


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()
