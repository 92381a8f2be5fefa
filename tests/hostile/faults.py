"""Every fault of RFC 6455 §5 to §7, and of RFC 7692 §6: the bytes of a peer, and the Close that it gets."""

from __future__ import annotations

from collections.abc import Callable

from tests.peers.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, Frame, close_frame, header

LIMIT = 1000  # bytes

Encode = Callable[[bytes | None], bytes]


def frames(*frames: Frame) -> Encode:
    return lambda key: b"".join(frame.encode(key) for frame in frames)


def announced(opcode: int, size: int, form: int) -> Encode:
    """A header alone."""
    return lambda key: header(opcode, size, form=form, key=key)


def misread(frame: Frame) -> Encode:
    """Masked as only the other side's frames are."""
    return lambda key: frame.encode(MASK if key is None else None)


# The fault, and the code for its sender. ``key`` is the masking key of a client's frames.
FAULTS: dict[str, tuple[Encode, int]] = {
    # §5.2
    **{f"RSV{4 - bit} on data": (frames(Frame(BINARY, b"x", rsv=1 << bit - 1)), 1002) for bit in (1, 2, 3)},
    **{f"RSV{4 - bit} on a ping": (frames(Frame(PING, b"x", rsv=1 << bit - 1)), 1002) for bit in (1, 2, 3)},
    "RSV1 on a close": (frames(Frame(CLOSE, b"\x03\xe8", rsv=4)), 1002),
    "RSV1 on an empty frame": (frames(Frame(BINARY, rsv=4)), 1002),
    "RSV1 on a continuation": (frames(Frame(TEXT, b"x", fin=False), Frame(CONTINUATION, b"x", rsv=4)), 1002),
    **{f"opcode {opcode:#x}": (frames(Frame(opcode, b"x")), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "16 bits for 0": (frames(Frame(BINARY, form=16)), 1002),
    "16 bits for 125": (frames(Frame(BINARY, bytes(125), form=16)), 1002),
    "64 bits for 125": (frames(Frame(BINARY, bytes(125), form=64)), 1002),
    "64 bits for 65535": (announced(BINARY, 65535, 64), 1002),
    "2^63": (announced(BINARY, 1 << 63, 64), 1002),
    "2^64 - 1": (announced(BINARY, (1 << 64) - 1, 64), 1002),
    "2^63 in a later fragment": (
        lambda key: Frame(TEXT, b"x", fin=False).encode(key) + header(CONTINUATION, 1 << 63, form=64, key=key),
        1002,
    ),
    "2^63 - 1, over the limit": (announced(BINARY, (1 << 63) - 1, 64), 1009),
    # §5.1
    "the other side's mask": (misread(Frame(BINARY, b"x")), 1002),
    **{
        f"the other side's mask, on {name}": (misread(frame), 1002)
        for name, frame in {
            "an empty frame": Frame(BINARY),
            "a frame of 126": Frame(BINARY, bytes(126)),
            "a ping": Frame(PING, b"x"),
            "a close": Frame(CLOSE, b"\x03\xe8"),
        }.items()
    },
    "the other side's mask, on a later fragment": (
        lambda key: Frame(TEXT, b"x", fin=False).encode(key) + misread(Frame(CONTINUATION, b"y"))(key),
        1002,
    ),
    # §5.4
    "a continuation of nothing": (frames(Frame(CONTINUATION, b"x")), 1002),
    "an empty continuation of nothing": (frames(Frame(CONTINUATION, fin=False)), 1002),
    "a continuation of what has ended": (
        frames(Frame(TEXT, b"x", fin=False), Frame(CONTINUATION, b"y"), Frame(CONTINUATION, b"z")),
        1002,
    ),
    "text in a message": (frames(Frame(BINARY, b"x", fin=False), Frame(TEXT, b"y")), 1002),
    "binary in a message": (frames(Frame(TEXT, b"x", fin=False), Frame(PING), Frame(BINARY, b"y", fin=False)), 1002),
    # §5.5
    "a ping in fragments": (frames(Frame(PING, b"x", fin=False)), 1002),
    "a pong in fragments": (frames(Frame(PONG, fin=False)), 1002),
    "a close in fragments": (frames(Frame(CLOSE, b"\x03\xe8", fin=False)), 1002),
    "a ping of 126": (frames(Frame(PING, bytes(126))), 1002),
    "a pong of 65536": (announced(PONG, 65536, 64), 1002),
    "a close of 126": (announced(CLOSE, 126, 16), 1002),
    "a small ping in 16 bits": (frames(Frame(PING, b"x", form=16)), 1002),
    # §5.5.1, §7.4
    "a close of one byte": (frames(Frame(CLOSE, b"\x03")), 1002),
    **{
        f"close code {number}": (frames(close_frame(number)), 1002)
        for number in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
    "a close whose reason is not UTF-8": (frames(close_frame(1000, b"\xc3")), 1007),
    # the limit, by what is announced and over fragments
    "one byte over the limit": (announced(BINARY, LIMIT + 1, 16), 1009),
    "over the limit in fragments": (frames(Frame(BINARY, bytes(999), fin=False), Frame(CONTINUATION, b"ab")), 1009),
}
# The payload of the valid frames in front of the wrong one, where there are any
IN_FRONT = {
    "RSV1 on a continuation": b"x",
    "2^63 in a later fragment": b"x",
    "the other side's mask, on a later fragment": b"x",
    "a continuation of what has ended": b"xy",
    "text in a message": b"x",
    "binary in a message": b"x",
    "over the limit in fragments": bytes(999),
}
# §8.1; found where the payload is looked at, so perhaps inside a frame that is already on its way
BAD_TEXT: dict[str, Encode] = {
    "a byte that never is": frames(Frame(TEXT, b"ab\xffcd")),
    "overlong": frames(Frame(TEXT, b"\xc0\xaf")),
    "a surrogate": frames(Frame(TEXT, b"\xed\xa0\x80")),
    "over U+10FFFF": frames(Frame(TEXT, b"\xf4\x90\x80\x80")),
    "half a character": frames(Frame(TEXT, b"\xe2\x82")),
    "half a character, then the end in a fragment": frames(Frame(TEXT, b"\xe2", fin=False), Frame(CONTINUATION)),
    "half a character, a ping, the wrong half": frames(
        Frame(TEXT, b"\xe2\x82", fin=False), Frame(PING), Frame(CONTINUATION, b"x")
    ),
}

# With permessage-deflate agreed on: RSV1 is for the first frame of a message alone (RFC 7692 §6)
COMPRESSED: dict[str, Encode] = {
    "RSV2": frames(Frame(BINARY, b"x", rsv=2)),
    "RSV3": frames(Frame(BINARY, b"x", rsv=1)),
    "RSV1 and RSV2": frames(Frame(BINARY, b"x", rsv=6)),
    "RSV1 on a ping": frames(Frame(PING, b"x", rsv=4)),
    "RSV1 on a close": frames(Frame(CLOSE, b"\x03\xe8", rsv=4)),
    "RSV1 on a continuation": frames(Frame(TEXT, b"\xff", fin=False, rsv=4), Frame(CONTINUATION, b"x", rsv=4)),
    "RSV1 on a continuation of nothing": frames(Frame(CONTINUATION, b"x", rsv=4)),
    "RSV1 on an opcode that is reserved": frames(Frame(3, b"x", rsv=4)),
}
