from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.frames import MASK, Frame, header
from wsgate.wire.frames import FIN, MAX_CONTROL, MAX_HEADER, Opcode, encode_frame, encode_header, measure
from wsgate.wire.frames import MASK as MASK_BIT

SIZES = [(0, 7), (125, 7), (126, 16), (65535, 16), (65536, 64), (1 << 40, 64), ((1 << 63) - 1, 64)]


@pytest.mark.parametrize(("size", "form"), SIZES)
@pytest.mark.parametrize("opcode", Opcode)
def test_headers_have_the_shortest_form(opcode: Opcode, size: int, form: int) -> None:
    assert encode_header(FIN | opcode, size) == header(opcode, size, form=form)
    assert encode_header(opcode, size) == header(opcode, size, form=form, fin=False)
    assert encode_header(FIN | opcode, size, MASK_BIT) + MASK == header(opcode, size, form=form, key=MASK)


def test_the_largest_header() -> None:
    assert len(encode_header(FIN | Opcode.BINARY, (1 << 63) - 1, MASK_BIT) + MASK) == MAX_HEADER


def test_the_examples_of_the_rfc() -> None:
    """§5.7"""
    assert encode_frame(Opcode.TEXT, b"Hello", None) == bytes.fromhex("810548656c6c6f")
    assert encode_frame(Opcode.TEXT, b"Hello", MASK) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert encode_frame(Opcode.PING, b"Hello", None) == bytes.fromhex("890548656c6c6f")
    assert encode_frame(Opcode.PONG, b"Hello", MASK) == bytes.fromhex("8a8537fa213d7f9f4d5158")
    assert encode_header(FIN | Opcode.BINARY, 256) == bytes.fromhex("827e0100")
    assert encode_header(FIN | Opcode.BINARY, 65536) == bytes.fromhex("827f0000000000010000")


@given(
    st.sampled_from(Opcode),
    st.binary(max_size=200) | st.sampled_from([b"x" * MAX_CONTROL, b"x" * 2000, b"x" * 65536]),
    st.none() | st.binary(min_size=4, max_size=4),
)
def test_whole_frames(opcode: Opcode, payload: bytes, key: bytes | None) -> None:
    assert encode_frame(opcode, payload, key) == Frame(opcode, payload).encode(key)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1 << 40])
@pytest.mark.parametrize("key", [b"", b"mask"])
def test_a_header_is_measured_once_it_is_whole(size: int, key: bytes) -> None:
    head = encode_header(FIN | Opcode.BINARY, size, MASK_BIT if key else 0) + key
    data = b"before" + head + b"payload"
    at, end = 6, 6 + len(head)
    assert measure(data, at, len(data)) == measure(data, at, end) == (end, size)
    assert all(measure(data, at, short) is None for short in range(at, end))
