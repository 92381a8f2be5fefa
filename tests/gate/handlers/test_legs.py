from __future__ import annotations

import socket

import pytest

from tests.gate.conftest import relay_to, tunnel_to
from tests.gate.handlers.conftest import Ends, Made
from tests.peers.frames import BINARY, CONTINUATION, MASK, Frame
from wsgate.relay.limited_session import LimitedSession
from wsgate.settings.model import Action, Heartbeat, RouteLimits, Timeouts
from wsgate.wire.close import CloseCode


@pytest.mark.parametrize(("limit", "code"), [(1, CloseCode.TOO_BIG), (2, None), (None, None)])
@pytest.mark.parametrize("action", [relay_to(1), tunnel_to(1)], ids=["relay", "tunnel"])
async def test_the_largest_frame(ends: Ends, action: Action, limit: int | None, code: int | None) -> None:
    made = Made(ends, action, limits=RouteLimits(frame=limit))
    assert made.code(Frame(BINARY, b"xx").encode(MASK)) == code


@pytest.mark.parametrize(
    ("action", "limit", "code"),
    [
        (relay_to(1), 1, CloseCode.TOO_BIG),
        (relay_to(1), 2, None),
        (relay_to(1), None, None),
        (tunnel_to(1), 1, None),  # it has no messages
    ],
)
async def test_the_most_fragments(ends: Ends, action: Action, limit: int | None, code: int | None) -> None:
    made = Made(ends, action, limits=RouteLimits(fragments=limit))
    assert made.code(Frame(BINARY, fin=False).encode(MASK) + Frame(CONTINUATION).encode(MASK)) == code


@pytest.mark.parametrize("action", [relay_to(1), tunnel_to(1)], ids=["relay", "tunnel"])
@pytest.mark.parametrize(
    ("limits", "limited"),
    [
        (RouteLimits(), False),
        (RouteLimits(messages_per_second=1), True),
        (RouteLimits(bytes_per_second=1), True),
    ],
)
async def test_only_routes_with_rates_pay_for_them(
    ends: Ends, action: Action, limits: RouteLimits, limited: bool
) -> None:
    assert isinstance(Made(ends, action, limits=limits).session, LimitedSession) is limited


def _watched(sock: socket.socket) -> tuple[int, int]:
    """Whether the kernel asks a silent peer, and after how many milliseconds it gives up one that does not answer."""
    return (
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    )


async def test_what_the_kernel_watches(ends: Ends) -> None:
    """A TCP service has no Pings; a peer that takes nothing is the write timeout's first, then the kernel's."""
    Made(ends, tunnel_to(1), heartbeat=Heartbeat(interval=7, timeout=3), timeouts=Timeouts(write=10))
    assert [_watched(end) for end in ends] == [(0, 20_000), (1, 20_000)]


async def test_what_the_kernel_is_not_told_to_watch(ends: Ends) -> None:
    Made(ends, tunnel_to(1), heartbeat=None, timeouts=Timeouts(write=None))
    assert [_watched(end) for end in ends] == [(0, 0), (0, 0)]
