"""Redis's protocol: replies whole, byte by byte, and several at once."""

from __future__ import annotations

import pytest

from wsgate.wire.resp import MAX_BULK, Replies, Reply, RespError, command


def read(*pieces: bytes) -> list[Reply]:
    replies, found = Replies(), list[Reply]()
    for piece in pieces:
        replies.receive(piece)
        while (reply := replies.next()) is not None:
            found += reply
    assert not replies.begun
    return found


CASES: list[tuple[bytes, Reply]] = [
    (b"+OK\r\n", b"OK"),
    (b"$5\r\nab\r\nc\r\n", b"ab\r\nc"),
    (b"$0\r\n\r\n", b""),
    (b"$-1\r\n", None),
    (b":-42\r\n", -42),
    (b"-WRONGPASS invalid\r\n", RespError("WRONGPASS", "WRONGPASS invalid")),
    (b"$%d\r\n%b\r\n" % (MAX_BULK, b"x" * MAX_BULK), b"x" * MAX_BULK),
]


@pytest.mark.parametrize(("data", "expected"), CASES)
def test_a_reply(data: bytes, expected: Reply) -> None:
    assert read(data) == [expected]
    assert read(data[:1], data[1:-1], data[-1:]) == [expected]
    if len(data) < 100:
        assert read(*(data[at : at + 1] for at in range(len(data)))) == [expected]


def test_several_replies() -> None:
    assert read(b"".join(data for data, _ in CASES)) == [expected for _, expected in CASES]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"*1\r\n$1\r\na\r\n",
        b"$-2\r\n",
        b"$+5\r\nhello\r\n",
        b"$\r\n",
        b":1_0\r\n",
        b"\r\n",
        b"$%d\r\n" % (MAX_BULK + 1),
        b"$99999999999999999999\r\n",
        b"+" + b"x" * 4096,
    ],
)
def test_what_is_no_reply(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(data)


def test_a_command() -> None:
    assert command(b"GET", b"a\r\nb") == b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n"
