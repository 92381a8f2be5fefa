"""Recordings as websockify writes them (--record), for what reads those: noVNC's player, tests/vnc_playback.html.

A JavaScript array of strings. Each begins with the milliseconds between two marks, ``{`` for what came from the service
and ``}`` for what came from the client; behind them stands one character per byte. The last string is ``EOF``. Players
take the mark of the first string's data for that of base64 if it is ``UkZC``; websockify has long written bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wsgate.wire.recording import RecordingRecord, RecordKind

BEGINNING = "var VNC_frame_data = [\n"
END = "'EOF'];\n"

_MARKS = {RecordKind.UP: "}", RecordKind.DOWN: "{"}


def convert(records: Iterable[RecordingRecord]) -> Iterator[str]:
    """The text of the JavaScript file, piece by piece. All of it is ASCII."""
    yield BEGINNING
    for record in records:
        mark = _MARKS[record.kind]
        yield f"'{mark}{record.time // 1000}{mark}{escape(record.payload)}',\n"
    yield END


def escape(data: bytes) -> str:
    """Bytes as the inside of a JavaScript string in single quotes, one character for each."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii").replace("'", "\\'")
