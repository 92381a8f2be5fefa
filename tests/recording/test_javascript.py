"""The text that websockify writes and noVNC's player reads."""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wsgate.recording.javascript import convert, escape
from wsgate.wire.recording import RecordingRecord, RecordKind

ALL = bytes(range(256))


def test_it_is_what_websockify_writes() -> None:
    """The file is what websockify 0.13 wrote of a session with these bytes (``websockify --record``)."""
    records = [
        RecordingRecord(RecordKind.DOWN, 1_000, b"RFB 003.008\n"),
        RecordingRecord(RecordKind.UP, 2_999, ALL),
        RecordingRecord(RecordKind.DOWN, 2_000, ALL[::-1]),
        RecordingRecord(RecordKind.DOWN, 50_500, b'it\'s "here" {}\\n</script>'),
    ]
    golden = Path(__file__).with_name("websockify-0.13.js").read_text(encoding="ascii")
    assert "".join(convert(records)) == golden


def test_nothing_was_recorded() -> None:
    assert "".join(convert([])) == "var VNC_frame_data = [\n'EOF'];\n"


@given(st.binary())
def test_every_byte_is_one_character_again(data: bytes) -> None:
    """Of the escapes that come, Python's strings have the same as JavaScript's."""
    text = escape(data)
    assert text.isascii()
    assert text.isprintable()
    assert ast.literal_eval(f"'{text}'").encode("latin-1") == data
