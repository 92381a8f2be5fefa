"""Ends the sessions of a backend one after the other, so that their clients do not all come back at the same time.

A backend drains when its entry in the configuration or its file says so, or when it is asked to (``Upstream.drain``).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

import trio

from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway
from wsgate.relay.session import Session
from wsgate.settings.model import WebSocketUrl
from wsgate.site.backend import LiveBackend

LOOK = 1.0  # seconds until a drain is noticed, and between two looks at the sessions that are left
SLOT = 0.1  # seconds, at most, between the ends of two sessions

Backend = LiveBackend[WebSocketUrl]


async def watch(gateway: Gateway) -> None:
    """Ends the sessions of backends that drain, until cancelled: a task for each backend."""
    draining: set[Backend] = set()
    async with trio.open_nursery() as nursery:
        while True:
            for upstream in [route.upstream for route in gateway.site.routes if route.upstream is not None]:
                upstream.activate()  # so that an entry counts before the first session
                for backend in upstream.draining:
                    if backend not in draining:
                        draining.add(backend)
                        nursery.start_soon(_drain, gateway, backend, draining)
            await trio.sleep(LOOK)


async def _drain(gateway: Gateway, backend: Backend, draining: set[Backend]) -> None:
    """Drains a backend until it has no session, or takes sessions again."""
    while backend.is_draining and backend.sessions:  # also those whose handshake had begun before
        sessions = sessions_of(gateway, backend)
        await end_sessions(
            gateway, sessions, lambda session: session.move("the backend drains"), lambda: backend.is_draining
        )
        await trio.sleep(LOOK)
    draining.discard(backend)
    if backend.is_draining:
        emit(logging.WARNING, "backend drained", route=backend.route, backend=backend.name)


async def end_sessions(
    gateway: Gateway, sessions: list[Session], end: Callable[[Session], object], goes_on: Callable[[], bool]
) -> None:
    """Ends sessions in random order, each after a short time.

    end: ends a session
    goes_on: whether the next one should still be ended
    """
    random.shuffle(sessions)
    for session in sessions:
        if not goes_on():
            return
        end(session)
        await trio.sleep(min(SLOT, gateway.settings.drain.spread / len(sessions)) * random.uniform(0.5, 1.5))


def sessions_of(gateway: Gateway, backend: Backend) -> list[Session]:
    """Returns the open sessions of a backend in this process."""
    which = backend.route, backend.name
    return [session for session in gateway.sessions if (session.info.route, session.info.backend) == which]
