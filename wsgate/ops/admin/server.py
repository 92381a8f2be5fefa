"""The admin listener: HTTP on an address of its own, with few connections, each with deadlines.

It reads the metrics of all processes in shared memory, and so asks no worker. With workers it is a process of its own
(``ops.admin.process``); otherwise it runs beside the gateway, whose sessions it does not delay: it goes in steps.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from wsgate import __version__
from wsgate.disk.threads import in_thread, thread_limiter
from wsgate.events.emit import emit
from wsgate.events.metric_rows import MetricRow, MetricRows
from wsgate.events.metrics import ADMIN_REFUSED
from wsgate.gate.decide import UPGRADE_REQUIRED
from wsgate.gate.handshake_limiter import HandshakeLimiter
from wsgate.gate.http_date import HttpDate
from wsgate.net.io import end_gracefully, receive, send_all, set_nodelay
from wsgate.net.plain import PlainTransport
from wsgate.ops.accept import accept_forever
from wsgate.ops.admin.access import (
    BUSY,
    FOREIGN_PAGE,
    NO_TOKEN,
    WRONG_TOKEN,
    check_host,
    is_cross_site,
    is_token,
    shown_token,
)
from wsgate.ops.admin.api import MOST_BODY, Api, Check, Told, tapped_id
from wsgate.ops.admin.asking import Ask
from wsgate.ops.admin.exposition import OPEN_METRICS, TEXT, Gathered, expose, gather, prefers_open_metrics
from wsgate.ops.admin.history import INTERVAL, History
from wsgate.ops.admin.json_text import json_text
from wsgate.ops.admin.line_answer import LineAnswer, wait_until_ended
from wsgate.ops.admin.live import SUBPROTOCOL, LiveText, feed, state_of, token_in
from wsgate.ops.admin.operations import LIVE, PREFIX
from wsgate.ops.admin.page.files import FILES
from wsgate.ops.admin.state import draining_routes, most_sessions, not_alive, not_ready, open_sessions, warnings
from wsgate.ops.admin.tapping import TapSession, until_left
from wsgate.ops.open_listeners import close_in_thread
from wsgate.settings.model import Address, Admin, AdminMetrics, AdminTap, UnixAddress
from wsgate.site.admin_token import AdminTokenError, load_admin_token
from wsgate.wire.handshake import Upgrade, accept_headers, check_upgrade
from wsgate.wire.headers import Headers, values
from wsgate.wire.http import BodyEnd, HttpServer, Refusal, Request

_log = logging.getLogger("wsgate")

MOST = 100  # connections at once; one more ends the one that is open for longest
REQUEST_TIME = 30.0  # seconds for a whole request, and between two requests of a connection
ANSWER_TIME = 10.0  # seconds for a client to take a whole answer
LINGER_TIME = 2.0  # seconds for the end of a connection whose request was refused
WRONG_PAUSE = 1.0  # seconds until a wrong token is answered
MOST_WRONG = 10  # wrong tokens that wait for their answer at once
SAY_AGAIN = 60.0  # seconds between two log lines about wrong tokens
DISK_TIME = 2.0  # seconds that the token's file may take

_PLAIN = b"text/plain; charset=utf-8"
_COMMON = [
    (b"Cache-Control", b"no-store"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Content-Security-Policy", b"frame-ancestors 'none'"),
]
_JSON = b"application/json"
_NOT_FOUND = Refusal(404, "nothing is here: ask for /metrics, /healthz, /readyz, or below /api/v1/")
_NOT_ALLOWED = Refusal(405, "this is only read: GET or HEAD", [(b"Allow", b"GET, HEAD")])
_READ_ONLY = Refusal(403, "changes need admin.token, or a Unix socket in admin.bind")
_TOO_LARGE = Refusal(413, f"a body of more than {MOST_BODY} bytes")
_NO_TAP = Refusal(403, "admin.tap is off: write frames or payload, and start the gateway again")
_READS = (b"GET", b"HEAD")
_TOO_SLOW = Refusal(408, "the request took too long")


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. ``kind``: the type of its body"""

    status: int
    kind: bytes
    body: bytes
    headers: Headers = ()


class AdminServer:
    """Answers requests at the admin listener.

    rows: of all processes
    row: this process's own
    refresh: brings the metrics of this process up to date
    ask: asks the serving processes, for the API
    tap: shows the frames of their sessions
    main: the process that gets signals: the gateway, or the parent of workers
    check: tries the configuration for a reload; ``None`` if there is no file to read again
    """

    def __init__(
        self,
        settings: Admin,
        rows: MetricRows,
        row: MetricRow,
        refresh: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
        *,
        ask: Ask,
        tap: TapSession,
        main: int,
        check: Check | None = None,
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._row = row
        self._tap = tap
        self._refresh = refresh
        self._api = Api(ask, check, main, self._status, self._points, needs_token=settings.token is not None)
        self._history = History(self._gather)
        self._live = LiveText(self._snapshot)
        self._date = HttpDate()
        self._token: bytes | None = None
        self._open: dict[trio.CancelScope, None] = {}  # the oldest first
        self._wrong = 0
        self._unsaid = 0
        self._say_at = 0.0

    async def run(self, listener: socket.socket) -> None:
        """Serves until cancelled; closes ``listener`` then."""
        try:
            async with trio.open_nursery() as connections:
                connections.start_soon(self._history.run)
                await accept_forever(listener, self.serve, connections, HandshakeLimiter(MOST))
        finally:
            await close_in_thread(listener)

    async def serve(self, sock: PlainTransport, peer: Address) -> None:
        """Serves one connection. Owns ``sock``."""
        scope = trio.CancelScope()
        self._open[scope] = None
        if len(self._open) > MOST:
            next(iter(self._open)).cancel()
        try:
            with sock, scope:
                set_nodelay(sock)
                await self._serve(sock, str(peer))
        except Exception:  # a bug of ours ends this connection, is logged, and ends no other
            _log.exception("internal error: please report it", extra={"event": "bug", "fields": {"client": str(peer)}})
        finally:
            del self._open[scope]

    async def _serve(self, sock: PlainTransport, client: str) -> None:
        http = HttpServer(date=self._date)
        while True:
            request: Request | Refusal | None = _TOO_SLOW
            with trio.move_on_after(REQUEST_TIME):
                request = await _next_request(http, sock)
            if request is None or (request is _TOO_SLOW and not http.begun):
                return
            found = request if isinstance(request, Refusal) else await self._answer(request, client, http, sock)
            if found is None:
                return
            close = isinstance(request, Refusal) or not http.is_request_whole
            if isinstance(found, Refusal):
                self._row.cell(ADMIN_REFUSED, str(found.status)).add()
                is_api = isinstance(request, Request) and request.path.startswith(PREFIX)
                found = await _json(found) if is_api else _text(found)
            headers = [*found.headers, *_COMMON, (b"Content-Type", found.kind)]
            data = http.respond(found.status, headers, found.body, close=close)
            sent = False
            with trio.move_on_after(ANSWER_TIME):
                sent = await send_all(sock, data)
            if not sent:
                return
            if close or not http.next_cycle():
                with trio.move_on_after(LINGER_TIME):
                    await end_gracefully(sock)
                return

    async def _answer(
        self, request: Request, client: str, http: HttpServer, sock: PlainTransport
    ) -> Page | Refusal | None:
        """Returns the answer; ``None`` if it was given already, and the connection is over."""
        settings = self._settings
        if request.path == LIVE and request.method == b"GET":
            return await self._serve_live(request, client, http, sock)
        if (refusal := check_host(request, settings.bind, settings.hosts)) is not None:
            return refusal
        if request.path.startswith(PREFIX) and is_cross_site(request):
            return FOREIGN_PAGE
        page = {"/metrics": self._metrics, "/healthz": self._health, "/readyz": self._readiness}.get(request.path)
        if page is None and (file := FILES.get(request.path)) is not None and request.method in _READS:
            return Page(200, *file)  # the page itself has no secrets: it asks for the token
        needs_token = page is None or (page == self._metrics and settings.metrics is AdminMetrics.TOKEN)
        if needs_token and (refusal := await self._check_token(shown_token(request), client)) is not None:
            return refusal
        if (id := tapped_id(request)) is not None:
            return await self._serve_tap(request, id, client, http, sock)
        if request.path.startswith(PREFIX):
            return await self._answer_api(request, http, sock)
        if page is None:
            return _NOT_FOUND
        if request.method not in _READS:
            return _NOT_ALLOWED
        return await page(request)

    async def _answer_api(self, request: Request, http: HttpServer, sock: PlainTransport) -> Page | Refusal:
        """Answers a request of the API. Whoever may only reach a port of this machine may change nothing."""
        if request.method not in _READS and not self._may_change:
            return _READ_ONLY
        body: bytes | Refusal = _TOO_SLOW
        with trio.move_on_after(REQUEST_TIME):
            body = await _read_body(http, sock)
        if isinstance(body, Refusal):
            return body
        return await _json(await self._api.answer(request, body))

    async def _serve_tap(
        self, request: Request, id: str, client: str, http: HttpServer, sock: PlainTransport
    ) -> Page | Refusal | None:
        """Serves the frames of a session until its end, or until who asks has left. Returns why not."""
        if self._settings.tap is AdminTap.OFF:
            return _NO_TAP
        if b"?" in request.target:
            return await _json(Told(400, {"error": "a tap knows no parameters"}))
        payload = self._settings.tap is AdminTap.PAYLOAD

        def begins() -> None:
            emit(logging.INFO, "tapped", id=id, client=client, payload=payload)

        lines = LineAnswer(http, sock, _COMMON, begins)
        not_tapped = await until_left(partial(wait_until_ended, sock), partial(self._tap, id, payload, lines.send))
        if not_tapped is not None:
            return await _json(Told(not_tapped.status, {"error": not_tapped.reason}))
        with trio.move_on_after(LINGER_TIME):
            await lines.finish()
            await end_gracefully(sock)
        return None

    @property
    def _may_change(self) -> bool:
        return self._settings.token is not None or isinstance(self._settings.bind, UnixAddress)

    # -- pages ---------------------------------------------------------------------------------------------------------

    async def _metrics(self, request: Request) -> Page:
        open_metrics = prefers_open_metrics(b",".join(values(request.headers, b"accept")))
        pieces = []
        for piece in expose(await self._gather(), open_metrics=open_metrics):
            pieces.append(piece)
            await trio.lowlevel.checkpoint()
        kind = OPEN_METRICS if open_metrics else TEXT
        return Page(200, kind, "".join(pieces).encode(errors="backslashreplace"))

    async def _health(self, request: Request) -> Page:
        return _state("alive", not_alive(await self._gather()))

    async def _readiness(self, request: Request) -> Page:
        gathered = await self._gather()
        return _state("ready", not_ready(gathered, self._settings.backends), warnings(gathered))

    async def _serve_live(
        self, request: Request, client: str, http: HttpServer, sock: PlainTransport
    ) -> Refusal | None:
        """Serves the page's WebSocket until its end. Returns why not."""
        settings, upgrade = self._settings, check_upgrade(request)
        if not isinstance(upgrade, Upgrade):
            return upgrade or UPGRADE_REQUIRED
        if (refusal := check_host(request, settings.bind, settings.hosts)) is not None:
            return refusal
        token = token_in(upgrade.subprotocols)
        if (refusal := await self._check_token(shown_token(request) if token is None else token, client)) is not None:
            return refusal
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in upgrade.subprotocols else None
        sent = False
        with trio.move_on_after(ANSWER_TIME):
            sent = await send_all(sock, http.switch(accept_headers(upgrade, subprotocol)))
        if sent:
            await feed(sock, self._live)
        return None

    async def _snapshot(self) -> Mapping[str, Any]:
        gathered = await self._gather()
        point = self._history.points[-1].plain() if self._history.points else None
        told = {"version": __version__, "may_change": self._may_change, "point": point}
        return {**told, **self._status_of(gathered), **state_of(gathered)}

    async def _points(self) -> Mapping[str, Any]:
        return {"interval": INTERVAL, "points": [point.plain() for point in self._history.points]}

    async def _status(self) -> Mapping[str, Any]:
        return self._status_of(await self._gather())

    def _status_of(self, gathered: Gathered) -> Mapping[str, Any]:
        reasons = not_alive(gathered) + not_ready(gathered, self._settings.backends)
        return {
            "ready": not reasons,
            "reasons": reasons,
            "warnings": warnings(gathered),
            "sessions": open_sessions(gathered),
            "most_sessions": most_sessions(gathered),
            "draining_routes": draining_routes(gathered),
        }

    async def _gather(self) -> Gathered:
        await self._refresh()
        gathered: Gathered = {}
        for _ in gather(self._rows, gathered):
            await trio.lowlevel.checkpoint()
        return gathered

    # -- the token -----------------------------------------------------------------------------------------------------

    async def _check_token(self, shown: bytes | None, client: str) -> Refusal | None:
        if self._settings.token is None:
            return None
        if shown is None:
            return NO_TOKEN
        if self._token is not None and is_token(shown, self._token):
            return None
        if self._wrong >= MOST_WRONG:
            return BUSY
        self._wrong += 1
        try:
            await self._load_token(self._settings.token.file)
            if self._token is not None and is_token(shown, self._token):
                return None
            self._log_wrong(client)
            await trio.sleep(WRONG_PAUSE)
        finally:
            self._wrong -= 1
        return WRONG_TOKEN

    async def _load_token(self, file: str) -> None:
        """Reads the file, where the token may have changed; if that fails, what was read before stays valid."""
        limiter = thread_limiter("admin token", os.path.dirname(file), 1)
        try:
            self._token = await in_thread(limiter, DISK_TIME, partial(load_admin_token, file))
        except AdminTokenError as error:
            emit(logging.ERROR, "admin token not read", error=str(error))
        except trio.TooSlowError:
            reason = f"the disk of {os.path.dirname(file)} did not answer within {DISK_TIME:g} s"
            emit(logging.ERROR, "admin token not read", error=reason)

    def _log_wrong(self, client: str) -> None:
        self._unsaid += 1
        now = trio.current_time()
        if now >= self._say_at:
            emit(logging.WARNING, "admin token wrong", client=client, times=self._unsaid)
            self._say_at, self._unsaid = now + SAY_AGAIN, 0


async def _next_request(http: HttpServer, sock: PlainTransport) -> Request | Refusal | None:
    """Reads the next head. Returns ``None`` at the connection's end."""
    while True:
        try:
            request = http.next_request()
        except EOFError:
            return None
        if request is not None:
            return request
        http.receive(await receive(sock))


async def _read_body(http: HttpServer, sock: PlainTransport) -> bytes | Refusal:
    """Reads a request's body."""
    body = bytearray()
    while True:
        piece = http.next_piece()
        if isinstance(piece, BodyEnd):
            return bytes(body)
        if isinstance(piece, Refusal):
            return piece
        if piece is None:
            http.receive(await receive(sock))
        elif len(body) + len(piece) > MOST_BODY:
            return _TOO_LARGE
        else:
            body += piece


def _state(word: str, reasons: list[str], warned: Sequence[str] = ()) -> Page:
    body = "\n".join([f"not {word}" if reasons else word, *reasons, *warned])
    return Page(503 if reasons else 200, _PLAIN, f"{body}\n".encode())


def _text(refusal: Refusal) -> Page:
    return Page(refusal.status, _PLAIN, f"{refusal.reason}\n".encode(), refusal.headers)


async def _json(told: Told | Refusal) -> Page:
    content = {"error": told.reason} if isinstance(told, Refusal) else told.content
    text = (await json_text(content)).encode(errors="replace")
    return Page(told.status, _JSON, text + b"\n", told.headers)
