"""What a serving process answers about itself: its sessions and backends, and what it is told to do with them.

A question is a mapping with its name under ``ask``, and an answer is a mapping too; both are plain data for JSON. The
answers of several processes are merged by ``ops.admin.merging``. Whatever goes over all sessions goes in steps, so that
no session waits for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import trio

from wsgate.events.emit import emit
from wsgate.gate import session_moves
from wsgate.gate.access_log import end_fields
from wsgate.gate.ended_sessions import EndedSession
from wsgate.gate.gateway import Gateway
from wsgate.ops.admin.filters import is_among, sort_key
from wsgate.relay.session import Session
from wsgate.settings.effective import show
from wsgate.settings.model import Relay, Tunnel
from wsgate.site.route import LiveRoute

Plain = dict[str, Any]

STEP = 100  # sessions between two checkpoints: about a millisecond
_log = logging.getLogger("wsgate")


async def answer(gateway: Gateway, question: Plain) -> Plain:
    """Returns the answer to a question."""
    ask: Callable[[Gateway, Plain], Awaitable[Plain]] = _QUESTIONS[question["ask"]]
    return await ask(gateway, question)


def describe(session: Session) -> Plain:
    """Returns what is known of a session, by the names of the log's fields."""
    age = trio.current_time() - session.info.since
    began = datetime.now(UTC) - timedelta(seconds=age)
    return {
        **_texts(session),
        "since": began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration": round(age, 3),
        **_numbers(session),
    }


def _texts(session: Session) -> Plain:
    return {**session.info.fields(), "state": "open" if session.is_open else "closing"}


def _numbers(session: Session) -> Plain:
    outcome = session.outcome()
    return {
        "messages_up": outcome.messages_up,
        "messages_down": outcome.messages_down,
        "bytes_up": outcome.octets_up,
        "bytes_down": outcome.octets_down,
        "throttled_up": round(outcome.throttled_up, 3),
        "throttled_down": round(outcome.throttled_down, 3),
        "client_rtt_ms": _milliseconds(outcome.client_rtt),
        "backend_rtt_ms": _milliseconds(outcome.backend_rtt),
        "client_code": outcome.client_code,
        "backend_code": outcome.backend_code,
    }


# Where the outcome has other words, or another unit
_OF_OUTCOME = {
    "bytes_up": "octets_up",
    "bytes_down": "octets_down",
    "client_rtt_ms": "client_rtt",
    "backend_rtt_ms": "backend_rtt",
}


def _order(sort: str) -> Callable[[Session], Any]:
    """Returns the key of an order, which looks at no more of a session than it needs. The keys of all processes can be
    compared."""
    name, key = sort.removeprefix("-"), sort_key(sort)
    if name in ("since", "duration"):
        sign = 1 if sort in ("since", "-duration") else -1
        began = time.time() - trio.current_time()  # the clock of trio is each process's own
        return lambda session: sign * (began + session.info.since)
    if name in ("client", "user"):
        attribute = "address" if name == "client" else name
        return lambda session: key(getattr(session.info.client, attribute))
    if name in ("id", "route", "backend"):
        return lambda session: key(getattr(session.info, name))
    attribute = _OF_OUTCOME.get(name, name)
    return lambda session: key(getattr(session.outcome(), attribute))


def describe_ended(session: EndedSession) -> Plain:
    """Returns what is known of a session that has ended, and why it has."""
    outcome, info = session.outcome, session.info
    at = datetime.now(UTC) - timedelta(seconds=trio.current_time() - session.at)
    return {
        **info.fields(),
        "ended": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration": round(session.at - info.since, 3),
        "messages_up": outcome.messages_up,
        "messages_down": outcome.messages_down,
        "bytes_up": outcome.octets_up,
        "bytes_down": outcome.octets_down,
        **end_fields(outcome),
    }


async def _sessions(gateway: Gateway, question: Plain) -> Plain:
    """The sessions that a filter takes: how many, and of the first ``first`` of them in order the key and the id.

    No more are kept at a time: thousands of new objects would make the garbage collector visit all sessions.
    """
    total, most = 0, question["first"]
    key = _order(question["sort"])
    first: list[tuple[Any, int, str]] = []
    async for session in _filtered(gateway, question["filter"]):
        total += 1
        first.append((key(session), total, session.id))
        if len(first) >= most + STEP:
            first.sort()  # most of it is in order already
            del first[most:]
    first.sort()
    return {"total": total, "order": [(key, id) for key, _, id in first[:most]]}


async def _described(gateway: Gateway, question: Plain) -> Plain:
    """Those of the sessions with these ids that this process has."""
    described = []
    for number, id in enumerate(question["ids"], 1):
        if (session := gateway.sessions.get(id)) is not None:
            described.append(describe(session))
        if not number % STEP:
            await _give_way(gateway)
    return {"sessions": described}


async def _session(gateway: Gateway, question: Plain) -> Plain:
    session = gateway.sessions.get(question["id"])
    return {"session": None if session is None else describe(session)}


async def _ended(gateway: Gateway, question: Plain) -> Plain:
    """The sessions that ended last and that a filter takes, from the newest on."""
    described = [describe_ended(each) for each in gateway.ended]
    return {"sessions": [each for each in described if is_among(each, question["filter"])][: question["first"]]}


async def _close(gateway: Gateway, question: Plain) -> Plain:
    """Ends the sessions with these ids, or all that a filter takes."""
    if question["ids"] is not None:
        asked = [session for id in question["ids"] if (session := gateway.sessions.get(id)) is not None]
    else:
        asked = [session async for session in _filtered(gateway, question["filter"])]
    closed = []
    for session in asked:
        if session.is_open:
            session.end_by_operator(question["code"], question["reason"].encode())
            closed.append(session.id)
            await _give_way(gateway)
    return {"closed": closed}


async def _move(gateway: Gateway, question: Plain) -> Plain:
    """Moves a share of the sessions, of all routes or of one, to other gateways; no share ends the move under way."""
    name = question["route"]
    if name is not None and all(route.name != name for route in gateway.site.routes):
        return {"sessions": 0, "found": False}
    filter = {} if name is None else {"route": name}
    ids = [session.id async for session in _filtered(gateway, filter) if session.is_open]
    moved = session_moves.sample(ids, question["share"])
    gateway.session_moves.ask(moved, question["over"])
    return {"sessions": len(moved), "found": True}


async def _backends(gateway: Gateway, question: Plain) -> Plain:
    backends = [
        {
            "route": route.name,
            "backend": each.name,
            "sessions": each.sessions,
            "failures": each.failures,
            "healthy": each.healthy,
            "ejected": each.is_ejected,
            "draining": each.is_draining or route.name in gateway.route_drains,
            "weight": each.weight,
            "cap": each.cap,
        }
        for route in gateway.site.routes
        if route.upstream is not None
        for each in route.upstream.backends
    ]
    return {"backends": backends}


async def _drain_backend(gateway: Gateway, question: Plain) -> Plain:
    """Drains a backend of all routes, or of one, or ends that."""
    name, on = question["backend"], question["on"]
    drained = [
        route.name
        for route in gateway.site.routes
        if route.upstream is not None and question["route"] in (None, route.name) and route.upstream.drain(name, on=on)
    ]
    await gateway.metrics.refresh()  # whoever is told of it finds it there
    return {"routes": drained}


async def _drain_route(gateway: Gateway, question: Plain) -> Plain:
    """Drains a route, or ends that, also of one that a reload has removed."""
    name, drains = question["route"], gateway.route_drains
    actions = [route.settings.action for route in gateway.site.routes if route.name == name]
    has_sessions = any(isinstance(action, Relay | Tunnel) for action in actions)
    if not question["on"]:
        has_sessions = has_sessions or name in drains
        drains.end(name)
    elif has_sessions:
        drains.begin(name)
    await gateway.metrics.refresh()
    return {"found": bool(actions) or has_sessions, "has_sessions": has_sessions}


async def _routes(gateway: Gateway, question: Plain) -> Plain:
    per_route: dict[str, int] = {}
    for session in gateway.sessions:
        per_route[session.info.route] = per_route.get(session.info.route, 0) + 1
    drains = gateway.route_drains
    return {
        "routes": [
            {**_route(route), "sessions": per_route.get(route.name, 0), "draining": route.name in drains}
            for route in gateway.site.routes
        ]
    }


def _route(route: LiveRoute) -> Plain:
    settings = route.settings
    return {
        "route": route.name,
        "action": type(settings.action).__name__.lower(),
        "host": list(settings.match.host),
        "path": None if settings.match.path is None else str(settings.match.path),
        "http": isinstance(settings.action, Relay) and settings.http.value,
    }


async def _config(gateway: Gateway, question: Plain) -> Plain:
    config: Plain = {}
    for _ in show(gateway.settings, config):
        gateway.pump.serve_if_due()
        await trio.lowlevel.checkpoint()
    return {"config": config}


async def _level(gateway: Gateway, question: Plain) -> Plain:
    set_level(question["level"])
    return {}


def set_level(level: str) -> None:
    """Changes the least serious level that is logged, until a reload changes ``log``."""
    before = logging.getLevelName(_log.level).lower()
    if before != level:
        _log.setLevel(level.upper())
        emit(logging.WARNING, "log level changed", before=before, now=level)


_QUESTIONS: dict[str, Callable[[Gateway, Plain], Awaitable[Plain]]] = {
    "sessions": _sessions,
    "described": _described,
    "session": _session,
    "ended": _ended,
    "close": _close,
    "move": _move,
    "backends": _backends,
    "drain backend": _drain_backend,
    "drain route": _drain_route,
    "routes": _routes,
    "config": _config,
    "level": _level,
}


async def _filtered(gateway: Gateway, filter: Plain) -> AsyncIterator[Session]:
    """Yields the sessions that a filter takes."""
    for number, session in enumerate(gateway.sessions, 1):
        if not filter or is_among(_texts(session), filter):
            yield session
        if not number % STEP:
            await _give_way(gateway)


async def _give_way(gateway: Gateway) -> None:
    """Lets the bytes of sessions pass, and other tasks."""
    gateway.pump.serve_if_due()
    await trio.lowlevel.checkpoint()


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
