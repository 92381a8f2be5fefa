from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.frames import MASK, xor
from wsgate.wire.masking import apply_mask

pytestmark = pytest.mark.usefixtures("twin")

# around the place where one way of masking hands over to the other, in every phase of the key
SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 1019, 1020, 1021, 1022, 1023, 1024, 1025, 1026, 1027, 1028, 65536]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_every_length(size: int, kind: type[bytes] | type[bytearray]) -> None:
    data = kind(i * 7 & 0xFF for i in range(size))
    masked = apply_mask(data, MASK)
    assert masked == xor(data, MASK) == octet_by_octet(data, MASK)
    assert apply_mask(masked, MASK) == data
    assert data == kind(i * 7 & 0xFF for i in range(size)), "its input is left alone"


def test_the_example_of_the_rfc() -> None:
    assert apply_mask(b"Hello", MASK) == bytes.fromhex("7f9f4d5158")  # §5.7


@pytest.mark.parametrize("size", [10, 2000])
def test_a_key_of_zeros_changes_nothing(size: int) -> None:
    assert apply_mask(b"x" * size, bytes(4)) == b"x" * size


def octet_by_octet(data: bytes | bytearray, key: bytes) -> bytes:
    return bytes(octet ^ key[place % 4] for place, octet in enumerate(data))


@given(st.binary(max_size=40) | st.binary(min_size=1020, max_size=1060), st.binary(min_size=4, max_size=4))
def test_any_bytes_and_key(data: bytes, key: bytes) -> None:
    assert apply_mask(data, key) == xor(data, key) == octet_by_octet(data, key)
