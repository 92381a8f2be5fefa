"""From the first signal to the last session.

TERM or INT drains: nothing new is taken, every session is told, and the process waits for their ends, for the grace
that the settings give. A second signal cuts what is left.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import trio

from wsgate.gate.account import emit
from wsgate.gate.gateway import Gateway
from wsgate.gate.session import serve
from wsgate.ops.listeners import accept_forever, bound_address, close_listeners
from wsgate.settings.model import Address


async def run(
    gateway: Gateway, sockets: Sequence[socket.socket], *, ready: Callable[[list[Address]], None] = lambda bound: None
) -> int:
    """Serve until a signal, then drain. Returns the exit status: 0, or 1 if sessions had to be cut.

    ``ready`` is called once, when connections are being accepted, with the addresses that were bound.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        # Nested by lifetime: the pump outlives the connections, the connections outlive the listeners
        async with trio.open_nursery() as outer:
            outer.start_soon(gateway.pump.run)
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    for sock in sockets:
                        accepting.start_soon(accept_forever, sock, partial(serve, gateway), connections)
                    bound = [bound_address(sock) for sock in sockets]
                    for address in bound:
                        emit(logging.INFO, "listening", address=str(address))
                    emit(logging.INFO, "ready")
                    ready(bound)
                    received = await anext(signals)
                    accepting.cancel_scope.cancel()
                close_listeners(sockets)
                sessions = len(gateway.pump.joins)
                _begin_drain(gateway, connections, received)
                outer.start_soon(_cut_on_next, signals, connections)
            outer.cancel_scope.cancel()
    emit(logging.INFO, "stopped", ended=sessions - gateway.cut, cut=gateway.cut)
    return 1 if gateway.cut else 0


def _begin_drain(gateway: Gateway, connections: trio.Nursery, received: int) -> None:
    drain = gateway.settings.drain
    emit(
        logging.INFO,
        "draining",
        signal=signal.Signals(received).name,
        sessions=len(gateway.pump.joins),
        grace=drain.grace,
    )
    gateway.drain(drain.code)
    connections.cancel_scope.deadline = trio.current_time() + drain.grace


async def _cut_on_next(signals: AsyncIterator[int], connections: trio.Nursery) -> None:
    received = await anext(signals)
    emit(logging.WARNING, "cutting", signal=signal.Signals(received).name)
    connections.cancel_scope.cancel()
