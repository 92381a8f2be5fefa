from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.wire.writing import BodyWriter, write_head


def test_a_head() -> None:
    fields = [(b"Host", b"a"), (b"X-Empty", b""), (b"Cookie", b"\xe9: \t;")]
    assert (
        write_head(b"GET / HTTP/1.1", fields) == b"GET / HTTP/1.1\r\nHost: a\r\nX-Empty: \r\nCookie: \xe9: \t;\r\n\r\n"
    )
    assert write_head(b"HTTP/1.1 204 No Content", []) == b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"X", b"a\r\nY: b"),
        (b"X", b"a\nY: b"),
        (b"X", b"a\rY: b"),
        (b"X", b"a\r\n"),
        (b"X", b"\x00"),
        (b"X", b"\r\n\r\nGET / HTTP/1.1"),
        (b"X Y", b""),
        (b"X:", b"a"),
        (b"X: ", b""),
        (b"", b"a"),
        (b"X: a\r\nY", b"b"),
    ],
)
def test_a_field_cannot_hold_another_one(name: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match="a field has a character"):
        write_head(b"GET / HTTP/1.1", [(b"Host", b"a"), (name, value)])
    with pytest.raises(ValueError, match="a field has a character"):
        BodyWriter(in_chunks=True).finish([(name, value)])


words = st.lists(st.sampled_from([b"X", b"y", b":", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\x00", b"\xe9", b"-"])).map(
    b"".join
)


@given(st.lists(st.tuples(words, words), max_size=4))
def test_what_is_written_is_what_h11_reads(fields: list[tuple[bytes, bytes]]) -> None:
    try:
        head = write_head(b"GET / HTTP/1.1", [(b"Host", b"a"), *fields])
    except ValueError:
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(head)
    event = reader.next_event()
    assert isinstance(event, h11.Request)
    assert event.headers.raw_items()[1:] == [(name, value.strip(b" \t")) for name, value in fields]


@given(st.lists(st.binary(max_size=20)), st.booleans())
def test_a_body_is_what_h11_reads(pieces: list[bytes], in_chunks: bool) -> None:
    size = sum(map(len, pieces))
    framing = (b"Transfer-Encoding", b"chunked") if in_chunks else (b"Content-Length", b"%d" % size)
    writer = BodyWriter(None if in_chunks else size, in_chunks=in_chunks)
    trailers = [(b"Sum", b"1")] if in_chunks else []
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(write_head(b"POST / HTTP/1.1", [(b"Host", b"a"), framing]))
    reader.receive_data(b"".join([*map(writer.data, pieces), writer.finish(trailers), b"behind"]))
    assert isinstance(reader.next_event(), h11.Request)
    body = b""
    while isinstance(event := reader.next_event(), h11.Data):
        body += event.data
    assert body == b"".join(pieces)
    assert isinstance(event, h11.EndOfMessage)
    assert event.headers.raw_items() == trailers
    assert reader.trailing_data[0] == b"behind"


def test_a_body_of_another_length_is_a_bug() -> None:
    with pytest.raises(ValueError, match="longer"):
        BodyWriter(2).data(b"abc")
    writer = BodyWriter(2)
    writer.data(b"a")
    with pytest.raises(ValueError, match="shorter"):
        writer.finish()


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    writer = BodyWriter()
    assert writer.data(b"abc") + writer.finish() == b"abc"
