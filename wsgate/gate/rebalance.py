"""Moves sessions to backends that are new or have come back, a few per second (``relay.rebalance``).

A session cannot be moved without its client: it is closed with 1012, its client comes back, and the next session is
given to the new backend. Each worker moves its own sessions, as many of all as it has of all.
"""

from __future__ import annotations

import math
import random

import trio

from wsgate.gate.backend_drain import Backend, sessions_of
from wsgate.gate.gateway import Gateway
from wsgate.relay.session import Session
from wsgate.site.rebalance import Load, plan
from wsgate.site.upstream import Upstream

INTERVAL = 1.0  # seconds between two steps


async def rebalance(gateway: Gateway, upstream: Upstream, share: float) -> None:
    """Rebalances a route until cancelled.

    share: of its sessions that may be moved in a second, in per cent
    """
    working = {backend for backend in upstream.usual if backend.works}
    may_move = 0.0
    at = trio.current_time()
    while True:
        at += INTERVAL
        await trio.sleep_until(at)
        before, working = working, {backend for backend in upstream.usual if backend.works}
        upstream.newcomers = (upstream.newcomers | (working - before)) & working
        if not upstream.newcomers:
            may_move = 0.0
            continue
        total = sum(backend.sessions for backend in working)
        may_move += total * share / 100 * INTERVAL
        sessions = step(gateway, upstream, int(may_move))
        may_move = min(may_move - len(sessions), 1.0)
        for session in sessions:
            session.move("a backend is new, or has come back")
            await trio.sleep(INTERVAL / len(sessions) * random.uniform(0.5, 1.0))


def step(gateway: Gateway, upstream: Upstream, most: int) -> list[Session]:
    """Returns the sessions that are moved next, up to ``most``, and has the newcomers get as many."""
    now = trio.current_time()
    backends = [backend for backend in upstream.usual if backend.works]
    loads = [
        Load(
            backend.all_sessions + upstream.promised(backend),
            backend.weight * backend.part(now),
            room=_room(backend, upstream) if backend in upstream.newcomers else 0,
            here=backend.sessions,
        )
        for backend in backends
    ]
    here, everywhere = sum(each.sessions for each in backends), sum(each.all_sessions for each in backends)
    moves = plan(loads, most, here / everywhere if everywhere else 1.0)
    sessions: list[Session] = []
    for backend, taken, given, is_complete in zip(backends, moves.taken, moves.given, moves.is_complete, strict=True):
        if taken:
            present = sessions_of(gateway, backend)
            sessions += random.sample(present, min(taken, len(present)))
        if given:
            upstream.promise(backend, given)
        if is_complete and backend.part(now) >= 1.0:
            upstream.newcomers.discard(backend)
    random.shuffle(sessions)
    return sessions


def _room(backend: Backend, upstream: Upstream) -> float:
    if backend.cap is None:
        return math.inf
    return max(0, backend.cap - backend.all_sessions - upstream.promised(backend))
