"""Turns an opened backend into a session: sends the 101, starts the session, and does what is to be done at its end."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import trio

from wsgate.gate.access_log import ended, opened
from wsgate.gate.auth.identity import Admitted
from wsgate.gate.decide import FULL
from wsgate.gate.exchange import Exchange, Opened
from wsgate.gate.fields import fields_for_client
from wsgate.gate.gateway import Gateway
from wsgate.gate.recorder import Recorder
from wsgate.gate.redaction import shown_subprotocol
from wsgate.gate.refusals import CLIENT_GONE, DRAINING, RETRY_AFTER, ROUTE_DRAINING
from wsgate.gate.request_values import path_for_log
from wsgate.gate.session_limits import Count, leave
from wsgate.relay.closing import Cause, Side
from wsgate.relay.outcome import Outcome
from wsgate.relay.session import Session
from wsgate.relay.session_info import SessionInfo
from wsgate.settings.model import WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.site.route import LiveRoute
from wsgate.wire.close import CloseCode
from wsgate.wire.handshake import accept_headers
from wsgate.wire.http import HttpServer, Refusal

_log = logging.getLogger("wsgate")

UNRECORDED = Refusal(503, "sessions cannot be recorded now: try again", RETRY_AFTER)


@dataclass(slots=True)
class Begun:
    """A session that nothing but its bytes is missing.

    early: what came behind the two heads
    counted: what it is counted by
    admitted: who the client is
    codec_memory: bytes that it may keep for compression
    """

    session: Session
    route: LiveRoute
    backend: LiveBackend[WebSocketUrl] | None
    early: tuple[bytes, bytes]
    recorder: Recorder | None
    counted: tuple[Count, ...]
    admitted: Admitted
    codec_memory: int


async def begin(
    exchange: Exchange, backend: Opened, http: HttpServer, send: Callable[[bytes], Awaitable[bool]]
) -> Begun | Refusal:
    """Count the session in and say 101, through ``send``; or close what was opened, and say why not."""
    gateway = exchange.gateway
    begun: Begun | Refusal | None = None
    entered = False
    try:
        if exchange.counted is None:  # an upgrade to another protocol has not been counted yet
            refusal = exchange.count_session() or await exchange.count_everywhere()
            if refusal is not None:
                return refusal
        await gateway.handshake_limiter.take()
        gateway.pump.serve_if_due()
        if gateway.draining:  # the drain began during this handshake
            return DRAINING
        if exchange.route.name in gateway.route_drains:
            return ROUTE_DRAINING
        entered = gateway.counters.enter(gateway.most_sessions)
        if not entered:
            return FULL
        begun = await _begin(exchange, backend, http, send)
        return begun
    finally:
        if not isinstance(begun, Begun):
            backend.transport.close()
            if backend.backend is not None:
                backend.backend.leave()
            if entered:
                gateway.counters.leave(never_opened=True)


def _expiry(wall: float | None) -> float:
    """Returns the time of trio for a time of the wall clock; for ``None`` infinity."""
    return math.inf if wall is None else trio.current_time() + wall - time.time()


async def _begin(
    exchange: Exchange, backend: Opened, http: HttpServer, send: Callable[[bytes], Awaitable[bool]]
) -> Begun | Refusal:
    route, subprotocol = exchange.route, backend.subprotocol
    info = SessionInfo(
        exchange.gateway.sessions.next_id(),
        route.name,
        exchange.client_info,
        backend.name,
        path_for_log(exchange.request, route.settings),
        None if subprotocol is None else shown_subprotocol(subprotocol),
        trio.current_time(),
        exchange.request_id,
        _expiry(exchange.admitted.expires),
        backend.compression,
    )
    recorder = None if backend.record is None else Recorder(backend.record, info)
    if recorder is not None and recorder.required:
        problem = await recorder.begin(route.settings.timeouts.handshake)
        if problem is not None:
            return replace(UNRECORDED, detail=f"{recorder.path} cannot be written: {problem}")
    fields = fields_for_client(exchange, backend.headers)
    if backend.protocol is None:
        assert exchange.upgrade is not None
        fields = [*accept_headers(exchange.upgrade, subprotocol, backend.extensions), *fields]
    head = http.switch(fields)
    if not await send(head):
        if recorder is not None:
            recorder.discard()
        return CLIENT_GONE
    session = backend.join(exchange, info, None if recorder is None else recorder.buffer)
    early = http.trailing(), backend.early
    counted = exchange.counted or ()
    return Begun(session, route, backend.backend, early, recorder, counted, exchange.admitted, backend.codec_memory)


def start_session(gateway: Gateway, begun: Begun, left: Callable[[], object]) -> Awaitable[None] | None:
    """Starts a session, which needs no task: the pump owns its bytes, and ``gateway.sessions`` the session.

    left: called at its end

    Returns what writes its recording, to be awaited; ``None`` without one. Raises nothing.
    """
    session, route, recorder = begun.session, begun.route, begun.recorder
    if recorder is not None:
        recorder.end_session = session.end_unrecorded
    session.start(_Ending(gateway, begun, left), begun.early)  # so whatever fails from now on, its ending is called
    try:
        gateway.sessions.add(session)
        gateway.admissions.add(session, route, begun.admitted)
        gateway.codec_memory += begun.codec_memory
        gateway.metrics.sessions(route.name).opened()
        opened(session.info)
        # A drain may have begun while the 101 was sent: the session ends after the bytes that came with its handshake
        if gateway.draining or route.drained:
            trio.lowlevel.current_trio_token().run_sync_soon(session.drain, gateway.settings.drain.code)
        elif route.name in gateway.route_drains:
            trio.lowlevel.current_trio_token().run_sync_soon(session.move, "the route drains")
        if gateway.sessions.is_cut:
            session.cut()
    except Exception as error:
        session.crash(error)
    return None if recorder is None else recorder.run()


class _Ending:
    """What is to be done at the end of a session: all that was counted and entered for it is left again.

    An idle session keeps this object. So it has nothing of the handshake.
    """

    __slots__ = ("_backend", "_codec_memory", "_counted", "_gateway", "_left", "_recorder", "_route")

    def __init__(self, gateway: Gateway, begun: Begun, left: Callable[[], object]) -> None:
        self._gateway = gateway
        self._route = begun.route
        self._backend = begun.backend
        self._counted = begun.counted
        self._codec_memory = begun.codec_memory
        self._recorder = begun.recorder
        self._left = left

    def session_ended(self, session: Session, error: Exception | None, *, cut: bool) -> None:
        """The only end of a session, whatever ended it."""
        if error is not None:
            _report(session, error)
        try:
            self._end(session, session.outcome(), cut=cut)
        except Exception as bug:
            _report(session, bug)
        finally:
            self._left()

    def _end(self, session: Session, outcome: Outcome, *, cut: bool) -> None:
        gateway = self._gateway
        if self._recorder is not None:
            self._recorder.finish(outcome)
        if cut:
            gateway.cut += 1
        gateway.sessions.remove(session)
        gateway.admissions.remove(session)
        gateway.taps.session_ended(session, outcome)
        gateway.counters.leave(cut=cut)
        gateway.codec_memory -= self._codec_memory
        leave(self._counted)
        now = trio.current_time()
        if self._backend is not None:
            _leave(self._backend, self._route, session, outcome, now)
        gateway.metrics.sessions(self._route.name).ended(session, outcome, now)
        gateway.ended.add(session.info, outcome, now)
        ended(session.info, outcome)


def _report(session: Session, error: Exception) -> None:
    """A bug of ours ends its session, is logged, and ends no other."""
    fields = {"client": session.info.client.address, "id": session.id, "route": session.info.route}
    _log.error("internal error: please report it", exc_info=error, extra={"event": "bug", "fields": fields})


def _leave(
    backend: LiveBackend[WebSocketUrl], route: LiveRoute, session: Session, outcome: Outcome, now: float
) -> None:
    backend.leave()
    early = None if route.upstream is None else route.upstream.early
    is_early = early is not None and now - session.info.since < early
    backend.ended(_abnormal(outcome) if is_early else "")


def _abnormal(outcome: Outcome) -> str:
    """Why the end of a session is the backend's failure, for the log; empty if it is not. A clean close never is."""
    if outcome.side is not Side.BACKEND:
        return ""
    if outcome.cause in (Cause.GONE, Cause.FAULT):
        return f"a session has just begun: {outcome.detail}"
    return "a session has just begun: closed with 1011" if outcome.backend_code == CloseCode.INTERNAL_ERROR else ""
