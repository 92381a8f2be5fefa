"""Recordings in the format of websockify (--record), for noVNC's player, tests/vnc_playback.html.

The format is a JavaScript array of strings. A string begins with its time in milliseconds between two marks, ``{`` for
bytes from the service and ``}`` for bytes from the client; then comes one character per byte. The last string is
``EOF``. If the data of the first string begins with ``UkZC``, players read base64; websockify has written bytes for
years.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wsgate.wire.recording import RecordingRecord, RecordKind

BEGINNING = "var VNC_frame_data = [\n"
END = "'EOF'];\n"

_MARKS = {RecordKind.UP: "}", RecordKind.DOWN: "{"}


def convert(records: Iterable[RecordingRecord]) -> Iterator[str]:
    """Yields the text of the JavaScript file, in ASCII, piece by piece."""
    yield BEGINNING
    for record in records:
        mark = _MARKS[record.kind]
        yield f"'{mark}{record.time // 1000}{mark}{escape(record.payload)}',\n"
    yield END


def escape(data: bytes) -> str:
    """Returns bytes as the inside of a JavaScript string in single quotes, one character for each."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii").replace("'", "\\'")
