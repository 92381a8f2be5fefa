"""Sessions that a handler has made, over a TCP connection, and that are never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tests.gate.conftest import exchange_for, route
from tests.peers.sockets import tcp_pair
from tests.relay.joined import INFO
from wsgate.gate.exchange import Answer
from wsgate.gate.handlers import relay, tunnel
from wsgate.gate.handlers.compression import Agreement
from wsgate.net.plain import PlainTransport, take_over
from wsgate.relay.recorded_tunnel import RecordBuffer
from wsgate.relay.relay_flow import RelayFlow
from wsgate.relay.tunnel_flows import UnwrapFlow
from wsgate.settings.model import Action, Relay
from wsgate.wire.walk import DONE, FAULT

TEXT = b"\x81\x81\0\0\0\0"
COMPRESSED = b"\xc2\x81\0\0\0\0x"

NOTHING = Agreement()  # no message is compressed

Ends = tuple[PlainTransport, PlainTransport]


class Made:
    """What a handler makes of a client and a backend behind their handshakes."""

    def __init__(
        self,
        ends: Ends,
        action: Action,
        *,
        agreement: Agreement = NOTHING,
        subprotocol: bytes | None = None,
        buffer: RecordBuffer | None = None,
        **how: Any,
    ) -> None:
        client, backend = ends
        relays = isinstance(action, Relay)
        join = relay._join(backend, agreement, subprotocol) if relays else tunnel._join(backend, None)
        self.session = session = join(exchange_for(route(action, **how), here=client), INFO, buffer)
        self.client, self.backend = session._legs
        self.up, self.down = session._flows

    def code(self, frame: bytes) -> int | None:
        """Returns the code for a frame with a fault; ``None`` without one."""
        assert isinstance(self.up, RelayFlow | UnwrapFlow)
        walk = self.up.walk
        walk.walk(bytearray(frame), 0, len(frame))
        assert walk.halt in (DONE, FAULT)
        return walk.fault.code if walk.fault else None


@pytest.fixture
def ends() -> Iterator[Ends]:
    far, near = tcp_pair()
    with take_over(near) as client, take_over(far) as backend:
        yield client, backend


@asynccontextmanager
async def meanwhile(asking: Awaitable[Answer]) -> AsyncIterator[list[Answer]]:
    """Have a handler asked while the block plays its backend; behind the block its answer is in the list."""
    found: list[Answer] = []

    async def wait() -> None:
        found.append(await asking)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        yield found
