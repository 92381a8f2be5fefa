"""What a route's settings make of two sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gate.conftest import relay_to, route, tunnel_to
from tests.relay.joined import ABOUT
from wsgate.gate.joining import make_session
from wsgate.net.plain import PlainTransport, take_over
from wsgate.relay.flow import RelayFlow, UnwrapFlow, WrapFlow
from wsgate.relay.leg import TcpLeg, WebSocketLeg
from wsgate.relay.pump import Pump
from wsgate.relay.record import RecordedUnwrapFlow, RecordedWrapFlow, Tap
from wsgate.settings.model import Action, Heartbeat, Pings, RouteLimits, TextFrames, Timeouts
from wsgate.wire.close import CloseCode
from wsgate.wire.walk import DONE, FAULT

TEXT = b"\x81\x81\0\0\0\0"
COMPRESSED = b"\xc2\x81\0\0\0\0x"


class Made:
    """A session over a TCP connection that is never run."""

    def __init__(self, ends: tuple[PlainTransport, PlainTransport], action: Action, how: dict[str, Any]) -> None:
        compression, tap = how.pop("compression", False), how.pop("tap", None)
        made = make_session(Pump(), ABOUT, route(action, **how), *ends, compression=compression, tap=tap)
        self.client, self.backend = made._legs
        self.up, self.down = made._flows

    def code(self, frame: bytes) -> int | None:
        """What the client is told of a frame: the code of its fault, if it is one."""
        assert isinstance(self.up, RelayFlow | UnwrapFlow)
        walk = self.up.walk
        walk.walk(bytearray(frame), 0, len(frame))
        assert walk.halt in (DONE, FAULT)
        return walk.fault.code if walk.fault else None


@pytest.fixture
def ends() -> Iterator[tuple[PlainTransport, PlainTransport]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    with take_over(near) as client, take_over(far) as backend:
        yield client, backend


async def test_a_relay(ends: tuple[PlainTransport, PlainTransport]) -> None:
    made = Made(ends, relay_to(1), {})
    assert isinstance(made.client, WebSocketLeg)
    assert isinstance(made.backend, WebSocketLeg)
    assert (made.client.masks, made.backend.masks) == (False, True)
    assert isinstance(made.up, RelayFlow)
    assert isinstance(made.down, RelayFlow)
    assert not made.up._answers_pings
    assert made.code(TEXT + b"\xff") == CloseCode.INVALID_DATA
    assert made.code(COMPRESSED) == CloseCode.PROTOCOL_ERROR


async def test_what_a_relay_can_be_told(ends: tuple[PlainTransport, PlainTransport]) -> None:
    made = Made(ends, relay_to(1, validate_text=False, pings=Pings.ANSWER), {"compression": True})
    assert isinstance(made.up, RelayFlow)
    assert made.up._answers_pings
    assert made.code(TEXT + b"\xff") is None
    assert made.code(COMPRESSED) is None


async def test_a_tunnel(ends: tuple[PlainTransport, PlainTransport]) -> None:
    made = Made(ends, tunnel_to(1), {})
    assert isinstance(made.backend, TcpLeg)
    assert (type(made.up), type(made.down)) == (UnwrapFlow, WrapFlow)
    assert made.code(TEXT + b"x") == CloseCode.UNSUPPORTED_DATA


async def test_a_tunnel_that_takes_text(ends: tuple[PlainTransport, PlainTransport]) -> None:
    assert Made(ends, tunnel_to(1, text=TextFrames.ACCEPT), {}).code(TEXT + b"x") is None


async def test_a_tunnel_that_is_recorded(ends: tuple[PlainTransport, PlainTransport]) -> None:
    made = Made(ends, tunnel_to(1), {"tap": Tap(1 << 20, print)})
    assert (type(made.up), type(made.down)) == (RecordedUnwrapFlow, RecordedWrapFlow)


@pytest.mark.parametrize(("limit", "code"), [(1, CloseCode.TOO_BIG), (2, None), (None, None)])
async def test_the_largest_message(
    ends: tuple[PlainTransport, PlainTransport], limit: int | None, code: int | None
) -> None:
    made = Made(ends, relay_to(1), {"limits": RouteLimits(message=limit)})
    assert made.code(b"\x82\x82\0\0\0\0xx") == code


@pytest.mark.parametrize(("limit", "code"), [(1, CloseCode.TOO_BIG), (2, None), (None, None)])
@pytest.mark.parametrize("action", [relay_to(1), tunnel_to(1)], ids=["relay", "tunnel"])
async def test_the_largest_frame(
    ends: tuple[PlainTransport, PlainTransport], action: Action, limit: int | None, code: int | None
) -> None:
    made = Made(ends, action, {"limits": RouteLimits(frame=limit)})
    assert made.code(b"\x82\x82\0\0\0\0xx") == code


async def test_a_tunnel_has_no_messages(ends: tuple[PlainTransport, PlainTransport]) -> None:
    """A limit of the defaults is the relays'."""
    assert Made(ends, tunnel_to(1), {"limits": RouteLimits(message=1)}).code(b"\x82\x82\0\0\0\0xx") is None


def _watched(sock: socket.socket) -> tuple[int, int]:
    """Whether the kernel asks a silent peer, and after how many milliseconds it gives up one that does not answer."""
    return (
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    )


async def test_what_the_kernel_watches(ends: tuple[PlainTransport, PlainTransport]) -> None:
    """A TCP service has no Pings; a peer that takes nothing is the write timeout's first, then the kernel's."""
    Made(ends, tunnel_to(1), {"heartbeat": Heartbeat(interval=7, timeout=3), "timeouts": Timeouts(write=10)})
    assert [_watched(end) for end in ends] == [(0, 20_000), (1, 20_000)]


async def test_what_the_kernel_is_not_told_to_watch(ends: tuple[PlainTransport, PlainTransport]) -> None:
    Made(ends, tunnel_to(1), {"heartbeat": None, "timeouts": Timeouts(write=None)})
    assert [_watched(end) for end in ends] == [(0, 0), (0, 0)]
