"""What is known of a message until its end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.frames import Frame
from wsgate.relay.current_message import CurrentMessage
from wsgate.wire.frames import Opcode
from wsgate.wire.rules import Rule


@pytest.mark.parametrize(("rsv", "is_compressed"), [(0, False), (4, True)])
@pytest.mark.parametrize("fin", [False, True])
def test_what_the_first_byte_says(rsv: int, is_compressed: bool, fin: bool) -> None:
    frame = bytearray(Frame(Opcode.TEXT, b"a", fin, rsv).encode(None))
    message = CurrentMessage(frame[0])
    message.begin_frame(frame, 0, 2)
    assert (message.opcode, message.is_compressed, message.is_last_frame) == (Opcode.TEXT, is_compressed, fin)
    assert message.size == 0


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_a_payload_is_unmasked_in_pieces(key: bytes, payload: bytes, cuts: list[int]) -> None:
    frame = bytearray(b"xy" + Frame(Opcode.BINARY, payload).encode(key))
    message = CurrentMessage(Opcode.BINARY)
    for _ in range(2):  # each frame begins with the first byte of its key
        message.begin_frame(frame, 2, 8)
        places = sorted({0, len(payload), *(cut for cut in cuts if cut < len(payload))})
        plain = b""
        for start, stop in itertools.pairwise(places):
            piece = frame[8 + start : 8 + stop]
            assert message.unmask(piece[:]) == message.unmask(piece[:])
            plain += message.unmask(piece)
            message.end_piece(stop - start)
        assert plain == payload


def test_without_a_mask_the_payload_is_plain() -> None:
    message = CurrentMessage(Opcode.BINARY)
    message.begin_frame(bytearray(b"\x82\x01a"), 0, 2)
    assert message.unmask(bytearray(b"a")) == b"a"


@given(st.binary(max_size=12), st.integers(0, 12))
def test_text_in_two_pieces_is_checked_as_a_whole(text: bytes, cut: int) -> None:
    message = CurrentMessage(Opcode.TEXT)
    rule = message.check_text(text[:cut], is_last=False) or message.check_text(text[cut:], is_last=True)
    try:
        text.decode()
    except UnicodeDecodeError:
        assert rule in (Rule.NOT_UTF8, Rule.ENDS_INSIDE)
    else:
        assert rule is None


def test_a_character_may_be_cut_but_not_missing() -> None:
    message = CurrentMessage(Opcode.TEXT)
    assert message.check_text(b"gr\xc3", is_last=False) is None
    assert message.check_text(b"\xbcn", is_last=False) is None
    assert message.check_text(b"gr\xc3", is_last=True) is Rule.ENDS_INSIDE


def test_bytes_are_not_checked() -> None:
    assert CurrentMessage(Opcode.BINARY).check_text(b"\xff", is_last=True) is None
