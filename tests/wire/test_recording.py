"""The format, octet by octet, as docs/recording.md has it."""

from __future__ import annotations

import pytest

from wsgate.wire.recording import MAGIC, RECORD_HEADER, RecordKind, encode_end, encode_head, parse_fields


def test_the_head() -> None:
    assert encode_head({"route": "desk", "path": "/\u00e9\n", "subprotocol": None}) == (
        b'wsgate recording 1\n{"route":"desk","path":"/\\u00e9\\n","subprotocol":null}\n'
    )


def test_a_record() -> None:
    assert RECORD_HEADER.pack(RecordKind.UP, 0x0102030405, 7) == b"U\0\0\0\1\2\3\4\5\0\0\0\7"


def test_the_end() -> None:
    assert encode_end(258, {"cause": "closed"}) == b'E\0\0\0\0\0\0\1\2\0\0\0\x12{"cause":"closed"}'


def test_fields_come_back() -> None:
    fields = {"client": "192.0.2.1:5", "client_code": 1000, "detail": None}
    head = encode_head(fields)
    assert parse_fields(head.removeprefix(MAGIC)) == fields


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"text"', b"\xff{}", b"null", b"[" * 50_000])
def test_what_is_no_object(data: bytes) -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        parse_fields(data)
