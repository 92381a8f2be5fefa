"""Recordings that are whole, cut anywhere, or damaged."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.recording.reader import FormatError, Recording
from wsgate.wire.recording import (
    MAGIC,
    PAYLOAD_LIMIT,
    RECORD_HEADER,
    RecordingRecord,
    RecordKind,
    encode_end,
    encode_head,
)

HEAD = {"route": "desk", "path": "/\n\u00e9", "subprotocol": None}
END: dict[str, object] = {"cause": "closed", "client_code": 1000}

records = st.lists(
    st.builds(
        RecordingRecord,
        st.sampled_from([RecordKind.UP, RecordKind.DOWN]),
        st.integers(0, (1 << 64) - 1),
        st.binary(max_size=300),
    ),
    max_size=8,
)


def encode(record: RecordingRecord) -> bytes:
    return RECORD_HEADER.pack(record.kind, record.time, len(record.payload)) + record.payload


def read(data: bytes) -> tuple[Recording, list[RecordingRecord]]:
    recording = Recording(io.BytesIO(data))
    return recording, list(recording.records())


@given(records)
def test_what_was_written_is_read(written: list[RecordingRecord]) -> None:
    recording, found = read(encode_head(HEAD) + b"".join(map(encode, written)) + encode_end(9, END))
    assert (recording.head, found, recording.end, recording.cut) == (HEAD, written, END, 0)


@given(records, st.data())
def test_a_file_that_was_cut_is_read_up_to_its_last_whole_record(
    written: list[RecordingRecord], data: st.DataObject
) -> None:
    pieces = [*map(encode, written), encode_end(9, END)]
    whole = b"".join(pieces)
    size = data.draw(st.integers(0, len(whole) - 1))
    recording, found = read(encode_head(HEAD) + whole[:size])
    fitting = [at for at in range(len(pieces)) if len(b"".join(pieces[: at + 1])) <= size]
    assert found == written[: len(fitting)]
    assert recording.end is None
    assert recording.cut == size - len(b"".join(pieces[: len(fitting)]))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(rest: bytes) -> None:
    with contextlib.suppress(FormatError):
        read(encode_head(HEAD) + rest)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no recording of wsgate"),
        (b"var VNC_frame_data = [\n", "no recording of wsgate"),
        (b"wsgate recording 2\n{}\n", "another version"),
        (MAGIC, "second line"),
        (MAGIC + b'{"route":"de', "second line"),
        (MAGIC + b"[]\n", "second line"),
        (encode_head({}) + b"X" + bytes(12), r"no record begins at byte 22"),
        (
            encode_head({}) + encode(RecordingRecord(RecordKind.UP, 1, b"abc")) + b"X" + bytes(12),
            r"no record begins at byte 38",
        ),
        (encode_head({}) + RECORD_HEADER.pack(RecordKind.UP, 0, PAYLOAD_LIMIT + 1), "no record begins at byte 22"),
        (
            encode_head({}) + RECORD_HEADER.pack(RecordKind.END, 0, 1) + b"{",
            "the last record, at byte 22, says nothing",
        ),
        (encode_head({}) + encode_end(0, END) + b"U", "bytes behind the last record, which begins at byte 22"),
    ],
)
def test_what_is_no_recording_or_damaged(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read(data)
