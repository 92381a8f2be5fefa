"""Relays that look into compressed messages, and messages for them: zlib is the peers' compression."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

import pytest

from tests.peers.frames import Frame
from tests.relay.joined import Peer
from wsgate.relay.deflate_flow import Checks, Direction
from wsgate.relay.flow import MakeFlows
from wsgate.relay.inspect_flow import inspect
from wsgate.relay.recode_flow import Recoding, recode
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.wire.counts import MessageSizes
from wsgate.wire.deflate import Deflater, Inflater
from wsgate.wire.frames import Opcode
from wsgate.wire.kernel import FrameWalk, Walk
from wsgate.wire.walk import NO_LIMIT

TAIL = b"\x00\x00\xff\xff"
RSV1 = 4
FREE = Checks(NO_LIMIT, True, False)
ALL = Recoding(1, frozenset())

Flows: TypeAlias = Callable[[WebSocketLeg, WebSocketLeg], MakeFlows]


class Kind(Protocol):
    def __call__(
        self, checks: Checks = FREE, *, sizes: MessageSizes | None = None, fragments: int = NO_LIMIT
    ) -> Flows: ...


def walks(*, client: bool, backend: bool, fragments: int) -> tuple[Walk, Walk]:
    return (
        FrameWalk(masked=True, compression=client, fragment_limit=fragments),
        FrameWalk(masked=False, compression=backend, fragment_limit=fragments),
    )


def inspecting(
    checks: Checks = FREE,
    *,
    takeover: bool = False,
    sizes: MessageSizes | None = None,
    fragments: int = NO_LIMIT,
) -> Flows:
    """sizes: where the sizes of the client's messages are counted."""

    def make(client: WebSocketLeg, backend: WebSocketLeg) -> MakeFlows:
        up, down = walks(client=True, backend=True, fragments=fragments)
        make_inflater = functools.partial(Inflater, takeover=takeover)
        ways = Direction(up, make_inflater, sizes=sizes), Direction(down, make_inflater)
        return inspect(client, backend, *ways, checks)

    return make


def recoding(
    checks: Checks = FREE,
    which: Recoding = ALL,
    *,
    client: bool = True,
    backend: bool = True,
    takeover: bool = False,
    level: int = 1,
    sizes: MessageSizes | None = None,
    fragments: int = NO_LIMIT,
) -> Flows:
    """client, backend: whether messages are compressed on this side."""

    def inflater(wanted: bool) -> Callable[[], Inflater] | None:
        return functools.partial(Inflater, takeover=takeover) if wanted else None

    def deflater(wanted: bool) -> Deflater | None:
        return Deflater(level, takeover=takeover) if wanted else None

    def make(client_leg: WebSocketLeg, backend_leg: WebSocketLeg) -> MakeFlows:
        up, down = walks(client=client, backend=backend, fragments=fragments)
        return recode(
            client_leg,
            backend_leg,
            Direction(up, inflater(client), deflater(backend), sizes),
            Direction(down, inflater(backend), deflater(client)),
            checks,
            which,
        )

    return make


def deflated(message: bytes) -> bytes:
    state = zlib.compressobj(6, zlib.DEFLATED, -15)
    payload = state.compress(message) + state.flush(zlib.Z_SYNC_FLUSH)
    return payload.removesuffix(TAIL)


def inflated(payload: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(payload + TAIL)


def compressed(message: bytes, opcode: int = Opcode.BINARY) -> Frame:
    return Frame(opcode, deflated(message), rsv=RSV1)


def cut(frame: Frame, *at: int) -> Iterator[Frame]:
    """A message in fragments, cut at these places of its payload."""
    places = [0, *at, len(frame.payload)]
    for index in range(len(places) - 1):
        payload = frame.payload[places[index] : places[index + 1]]
        opcode, rsv = (frame.opcode, frame.rsv) if index == 0 else (Opcode.CONTINUATION, 0)
        yield Frame(opcode, payload, index == len(places) - 2, rsv)


async def message(peer: Peer) -> tuple[int, bytes, bool]:
    """The next message: its opcode, its plain bytes, and whether it was compressed."""
    first = frame = await peer.receive()
    payload = frame.payload
    while not frame.fin:
        frame = await peer.receive()
        assert (frame.opcode, frame.rsv) == (Opcode.CONTINUATION, 0)
        payload += frame.payload
    return first.opcode, inflated(payload) if first.rsv else payload, bool(first.rsv)


async def write(peer: Peer, *frames: Frame) -> None:
    await peer.write(b"".join(frame.encode(peer.mask) for frame in frames))


sides = pytest.mark.parametrize("side", ["client", "backend"])
both = pytest.mark.parametrize("kind", [inspecting, recoding])
