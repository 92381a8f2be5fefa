"""The codec of permessage-deflate against zlib, in any pieces and steps."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import subprocess
import sys
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsgate.wire import deflate
from wsgate.wire.deflate import MAX_BITS, TAIL, Deflater, Inflater, deflating_memory, inflating_memory

STEP = 1 << 16
MIB = 1 << 20
HELLO = bytes.fromhex("f248cdc9c90700")  # RFC 7692 §7.2.3.1
HELLO_AGAIN = bytes.fromhex("f200110000")  # §7.2.3.2: the same message, with reference to the first
STORED_HELLO = bytes.fromhex("000500faff48656c6c6f00")  # §7.2.3.3
FINAL_HELLO = bytes.fromhex("f348cdc9c9070000")  # §7.2.3.4
TWO_BLOCKS = bytes.fromhex("f24805000000ffffcac9c90700")  # §7.2.3.5
EMPTY = b"\x00"  # §7.2.3.6

takeovers = pytest.mark.parametrize("takeover", [False, True])


def inflate(inflater: Inflater, pieces: list[bytes], step: int = STEP) -> bytes | None:
    """The plain bytes of a message; ``None`` for a fault."""
    plain = b""
    for index, piece in enumerate(pieces):
        inflater.put(piece, last=index == len(pieces) - 1)
        while inflater.more:
            some = inflater.take(step)
            if some is None:
                return None
            assert len(some) <= step
            plain += some
    return plain


def whole(inflater: Inflater, payload: bytes) -> bytes | None:
    return inflate(inflater, [payload])


def peer(level: int = 6, bits: int = MAX_BITS) -> zlib._Compress:
    return zlib.compressobj(level, zlib.DEFLATED, -bits)


def sent(by: zlib._Compress, message: bytes) -> bytes:
    """The payload of a message, as §7.2.1 makes it."""
    payload = by.compress(message) + by.flush(zlib.Z_SYNC_FLUSH)
    assert payload.endswith(TAIL)
    return payload[:-4]


@takeovers
@pytest.mark.parametrize(
    ("payload", "plain"),
    [
        (HELLO, b"Hello"),
        (STORED_HELLO, b"Hello"),
        (FINAL_HELLO, b"Hello"),
        (TWO_BLOCKS, b"Hello"),
        (EMPTY, b""),
        (FINAL_HELLO[:-1], b"Hello"),  # without the byte that should follow a final block
    ],
)
def test_the_examples_of_the_rfc(payload: bytes, plain: bytes, takeover: bool) -> None:
    inflater = Inflater(takeover=takeover)
    assert whole(inflater, payload) == plain
    assert whole(inflater, HELLO) == b"Hello"


def test_a_message_may_refer_to_an_earlier_one_if_that_was_agreed_on() -> None:
    inflater = Inflater(takeover=True)
    assert whole(inflater, HELLO) == b"Hello"
    assert whole(inflater, HELLO_AGAIN) == b"Hello"
    inflater = Inflater(takeover=False)
    assert whole(inflater, HELLO) == b"Hello"
    assert whole(inflater, HELLO_AGAIN) is None


@takeovers
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="no block at all"),
        pytest.param(b"\xff", id="a reserved kind of block"),
        pytest.param(HELLO[:3], id="cut in a block"),
        pytest.param(STORED_HELLO[:4], id="cut in the head of a block"),
        pytest.param(FINAL_HELLO + b"\xff", id="rubbish behind a final block"),
    ],
)
def test_what_is_no_deflate_stream(payload: bytes, takeover: bool) -> None:
    assert whole(Inflater(takeover=takeover), payload) is None


def test_a_reference_further_back_than_the_window() -> None:
    message = b"far" + bytes(range(256)) * 4 + b"far away"
    payload = sent(peer(9), message + message)
    assert whole(Inflater(takeover=False), payload) == message + message
    assert inflate(Inflater(9, takeover=False), [payload], step=100) is None


@takeovers
def test_a_bomb_costs_a_step_at_a_time(takeover: bool) -> None:
    payload = sent(peer(9), bytes(50 << 20))
    assert len(payload) < 60_000
    inflater = Inflater(takeover=takeover)
    inflater.put(payload, last=True)
    for _ in range(100):
        assert inflater.take(1000) == bytes(1000)
    assert inflater.more


def test_many_final_blocks_take_many_steps() -> None:
    inflater = Inflater(takeover=False)
    inflater.put(b"\x03\x00" * 1000 + EMPTY, last=True)
    steps = 0
    while inflater.more:
        assert inflater.take(STEP) == b""
        steps += 1
    assert steps >= 1000


@takeovers
def test_final_blocks_have_one_window(takeover: bool) -> None:
    """Python's zlib ends at such a block; what follows may refer to what stood before it."""
    inflater = Inflater(takeover=takeover)
    first = peer()
    payload = first.compress(b"Hello") + first.flush(zlib.Z_FINISH)
    assert whole(inflater, payload + HELLO_AGAIN) == b"HelloHello"
    long = bytes(range(256)) * 200
    for _ in range(3 if takeover else 1):
        other = zlib.compressobj(9, zlib.DEFLATED, -MAX_BITS, zdict=b"HelloHello" if takeover else b"")
        assert whole(inflater, other.compress(long) + other.flush(zlib.Z_FINISH) + EMPTY) == long
    if takeover:
        back = zlib.compressobj(9, zlib.DEFLATED, -MAX_BITS, zdict=long)
        assert whole(inflater, sent(back, long[:500])) == long[:500]


def test_small_pieces_before_a_final_block() -> None:
    message = bytes(range(100)) * 30
    first = peer(9)
    payload = first.compress(message) + first.flush(zlib.Z_FINISH)
    back = zlib.compressobj(9, zlib.DEFLATED, -MAX_BITS, zdict=message)
    assert inflate(Inflater(takeover=False), [payload + sent(back, message)], step=10) == message + message


messages = st.lists(
    st.one_of(st.binary(max_size=200), st.builds(bytes.__mul__, st.binary(max_size=9), st.integers(0, 9000))),
    min_size=1,
    max_size=5,
)


@given(messages, st.integers(1, 9), st.booleans(), st.data())
@example([b"", b"", b"x" * 70_000], 1, True, None)
def test_what_is_deflated_inflates(
    messages: list[bytes], level: int, takeover: bool, data: st.DataObject | None
) -> None:
    """Through both, and through zlib; in pieces and steps of any size."""
    bits = data.draw(st.integers(9, MAX_BITS)) if data else MAX_BITS
    step = data.draw(st.integers(50, STEP)) if data else STEP
    deflater, inflater = Deflater(level, bits, takeover=takeover), Inflater(bits, takeover=takeover)
    assert deflater.takeover is takeover
    oracle = zlib.decompressobj(-MAX_BITS)
    for message in messages:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=3))) if data else []
        parts = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
        payloads = [deflater.compress(part, last=at == len(parts) - 1) for at, part in enumerate(parts)]
        if not takeover:
            oracle = zlib.decompressobj(-MAX_BITS)
        assert oracle.decompress(b"".join(payloads) + TAIL) == message
        assert inflate(inflater, payloads, step) == message


@given(st.binary(max_size=300), st.booleans(), st.integers(1, 300))
def test_any_bytes_do_no_harm(payload: bytes, takeover: bool, cut: int) -> None:
    inflate(Inflater(takeover=takeover), [payload[:cut], payload[cut:]], step=100)


@takeovers
def test_the_highest_levels_are_as_six(takeover: bool) -> None:
    """zlib's own take twenty times as long for such data, and other sessions would wait."""
    letters = random.Random(1)
    data = bytes(letters.choices(b"ab", k=1 << 13))
    six = Deflater(6, takeover=takeover).compress(data, last=True)
    assert peer(9).compress(data) != six
    for level in (7, 8, 9):
        assert Deflater(level, takeover=takeover).compress(data, last=True) == six
    assert Deflater(5, takeover=takeover).compress(data, last=True) != six


def kinds() -> dict[str, bytes]:
    """JSON, text, bytes and compressed bytes: a megabyte of each."""
    chance = random.Random(17)
    rows = [{"id": n, "name": f"user {n % 97}", "größe": chance.random()} for n in range(20_000)]
    words = " ".join(chance.choices(["größer", "and", "smaller", "\N{TURTLE}", "so"], k=170_000))
    noise = chance.randbytes(MIB)
    packed = b"".join(zlib.compress(words[at : at + 9000].encode(), 9) for at in range(0, len(words), 9000)) * 9
    made = {
        "json": json.dumps(rows, ensure_ascii=False).encode(),
        "text": words.encode(),
        "noise": noise,
        "packed": packed,
    }
    return {kind: data[:MIB] for kind, data in made.items()}


KINDS = kinds()


@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(1, 1 << 18),
    st.integers(1, 9),
    st.booleans(),
    st.integers(1, STEP),
    st.data(),
)
@example("json", 64 * MIB, 1, False, STEP, None)
@example("text", 8 * MIB, 3, True, STEP, None)
@example("noise", 4 * MIB, 1, True, STEP, None)
@example("packed", 4 * MIB, 6, False, STEP, None)
@example("json", 1, 6, True, 1, None)
def test_a_corpus(kind: str, size: int, level: int, takeover: bool, step: int, draw: st.DataObject | None) -> None:
    """Messages of 1 B to 64 MiB, in pieces: zlib inflates what is compressed, and what zlib compresses is inflated."""
    data = KINDS[kind]
    message = (data * (size // len(data) + 1))[:size]
    cuts = sorted(draw.draw(st.lists(st.integers(0, size), max_size=4))) if draw else range(0, size, STEP)[1:]
    places = [0, *cuts, size]
    parts = [message[start:stop] for start, stop in itertools.pairwise(places)]
    deflater, oracle = Deflater(level, takeover=takeover), zlib.decompressobj(-MAX_BITS)
    payloads = [deflater.compress(part, last=at == len(parts)) for at, part in enumerate(parts, 1)]
    assert oracle.decompress(b"".join(payloads) + TAIL) == message
    payload = sent(peer(level), message)
    edges = [at * len(payload) // size for at in places]
    inflater = Inflater(takeover=takeover)
    inflated = hashlib.sha256()
    for at, (start, stop) in enumerate(itertools.pairwise(edges), 1):
        inflater.put(payload[start:stop], last=at == len(parts))
        while inflater.more:
            some = inflater.take(max(step, size // 1000))
            assert some is not None
            inflated.update(some)
    assert inflated.digest() == hashlib.sha256(message).digest()


def test_the_memory_of_a_window() -> None:
    """As zlib's manual computes it."""
    assert inflating_memory(15) == (32 + 7) << 10
    assert deflating_memory(15) == 256 << 10


@pytest.mark.parametrize(("installed", "status"), [(True, "by isal on the levels 1 to 3"), (False, "by zlib")])
def test_the_library(installed: bool, status: str) -> None:
    """isal is an extra; without it zlib does the same."""
    if installed:
        pytest.importorskip("isal")
        assert status in deflate.STATUS
        return
    program = (
        "import sys; sys.modules['isal'] = None\n"
        "from wsgate.wire.deflate import STATUS, Deflater, Inflater\n"
        "inflater = Inflater(takeover=False)\n"
        "inflater.put(Deflater(1, takeover=False).compress(b'Hello', last=True), last=True)\n"
        "print(STATUS, inflater.take(100))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"messages are compressed {status} b'Hello'\n"
