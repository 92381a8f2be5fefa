"""Routes that drain: they take no new session, and those that they have end one after the other.

A drain is asked for by the route's name, and holds until it is undone or the process ends: no reload ends it. Where a
worker has died, its replacement takes over the drains of the others.
"""

from __future__ import annotations

import logging

import trio

from wsgate.events.emit import emit
from wsgate.gate.backend_drain import LOOK, end_sessions
from wsgate.gate.gateway import Gateway
from wsgate.relay.session import Session


async def watch(gateway: Gateway) -> None:
    """Ends the sessions of routes that drain, until cancelled: a task for each route."""
    drains = gateway.route_drains
    watched: set[str] = set()
    async with trio.open_nursery() as nursery:
        while True:
            changed = drains.changed
            for route in drains.routes - watched:
                watched.add(route)
                nursery.start_soon(_drain, gateway, route, watched)
            await changed.wait()


async def _drain(gateway: Gateway, route: str, watched: set[str]) -> None:
    """Drains a route until that is undone."""
    drains = gateway.route_drains
    sessions = _sessions_of(gateway, route)
    emit(logging.WARNING, "route drains", route=route, sessions=len(sessions))
    is_drained = False
    while route in drains:
        changed = drains.changed
        if sessions:
            is_drained = False
            await end_sessions(gateway, sessions, _end, lambda: route in drains)
            with trio.move_on_after(LOOK):  # the last ones have to answer their Close
                await changed.wait()
        else:
            if not is_drained:
                is_drained = True
                emit(logging.WARNING, "route drained", route=route)
            await changed.wait()
        sessions = _sessions_of(gateway, route)
    watched.discard(route)
    emit(logging.WARNING, "route drains no more", route=route)


def _sessions_of(gateway: Gateway, route: str) -> list[Session]:
    """Returns the open sessions of a route in this process."""
    return [session for session in gateway.sessions if session.info.route == route]


def _end(session: Session) -> None:
    session.move("the route drains")
