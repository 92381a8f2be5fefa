"""ClientHellos of OpenSSL, whole, byte by byte and in several records; and bytes that are none."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.wire.client_hello import MAX_SIZE, ClientHello, parse

NOTHING = ClientHello()


def hello(name: str | None = "a.example.com", protocols: Sequence[str] = ("acme-tls/1",)) -> bytes:
    """OpenSSL's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


def records(message: bytes, size: int) -> bytes:
    """A message in records of this size."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)


def vector(data: bytes, size: int = 2) -> bytes:
    return len(data).to_bytes(size) + data


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2) + vector(data)


def message(*extensions: bytes) -> bytes:
    body = bytes(34) + vector(b"", 1) + vector(b"\x13\x01") + vector(b"\0", 1) + vector(b"".join(extensions))
    return b"\x01" + vector(body, 3)


def whole(*extensions: bytes) -> bytes:
    return records(message(*extensions), 1 << 14)


NAME = extension(0, vector(b"\0" + vector(b"a.example.com")))


@pytest.mark.parametrize(
    ("name", "protocols"),
    [
        ("a.example.com", ["acme-tls/1"]),
        ("A.Example.COM", ["h2", "http/1.1"]),
        (None, ["http/1.1"]),
        ("a.example.com", []),
    ],
)
def test_what_openssl_asks_for(name: str | None, protocols: list[str]) -> None:
    expected = ClientHello((name or "").lower(), tuple(protocol.encode() for protocol in protocols))
    data = hello(name, protocols)
    assert parse(data) == expected
    assert parse(data + b"more") == expected
    for size in (1, 3, 100):
        assert parse(records(data[5:], size)) == expected
    for at in range(len(data)):
        assert parse(data[:at]) is None


def test_other_entries_are_passed_over() -> None:
    other = extension(0, vector(b"\1" + vector(b"x") + b"\0" + vector(b"a.example.com")))
    assert parse(whole(extension(5, b"abc"), other)) == ClientHello("a.example.com")
    assert parse(whole(NAME, NAME)) == NOTHING  # nobody knows which
    assert parse(whole()) == NOTHING


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\0\2\2\x28",
        b"\x16\x03\x01\0\0",
        records(b"\x02\0\0\0", 4),
        records(b"\x01" + MAX_SIZE.to_bytes(3), 4),
        records(b"\x01\0\0\0", 4),
        records(b"\x01\0\0\1\0", 5),
        records(message()[:4] + b"\xff" * (len(message()) - 4), 1 << 14),
        records(message()[:20], 20) + b"\x17",
        whole(b"\0"),
        whole(b"\0\0\0\5"),
        whole(extension(0, vector(b"\0" + b"\0\5a"))),
        whole(extension(16, vector(b"\5h2"))),
        whole(extension(16, b"\0")),
    ],
)
def test_what_is_none_asks_for_nothing(data: bytes) -> None:
    assert parse(data) == NOTHING


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    found = parse(data)
    assert found is None or isinstance(found, ClientHello)


@given(st.data())
def test_a_hello_with_changed_bytes(draw: st.DataObject) -> None:
    data = bytearray(hello(None, ["http/1.1"])[:300])
    for _ in range(draw.draw(st.integers(1, 5))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    found = parse(bytes(data))
    assert found is None or isinstance(found, ClientHello)


@given(st.lists(st.tuples(st.sampled_from([0, 16, 43]), st.binary(max_size=40)), max_size=6))
def test_any_extensions(extensions: list[tuple[int, bytes]]) -> None:
    assert isinstance(parse(whole(*(extension(kind, data) for kind, data in extensions))), ClientHello)


@given(st.integers(1, 300))
def test_pieces_of_any_size(size: int) -> None:
    data = records(message(NAME, extension(16, vector(vector(b"acme-tls/1", 1)))), size)
    assert parse(data) == ClientHello("a.example.com", (b"acme-tls/1",))
    for at in range(len(data)):
        assert parse(data[:at]) is None
