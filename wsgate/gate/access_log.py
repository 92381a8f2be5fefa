"""The log lines of requests and sessions: one when a session begins, one when a session or a refused request ends."""

from __future__ import annotations

import logging

import trio

from wsgate.events.emit import emit
from wsgate.relay.session import Outcome
from wsgate.relay.session_info import ClientInfo, SessionInfo
from wsgate.wire.http import Refusal

_log = logging.getLogger("wsgate")

CLIENT_GONE = Refusal(499, "the client went away before its answer")  # nginx's status; only for the log


def opened(info: SessionInfo) -> None:
    """A session has begun."""
    if not _log.isEnabledFor(logging.INFO):  # do not compute the fields
        return
    emit(logging.INFO, "opened", **info.fields())


def ended(info: SessionInfo, outcome: Outcome) -> None:
    """A session is over. The field ``reason`` is one word; ``detail`` names the rule, timeout or error."""
    if not _log.isEnabledFor(logging.INFO):
        return
    emit(
        logging.INFO,
        "session",
        **info.fields(),
        duration=round(trio.current_time() - info.since, 3),
        messages_up=outcome.messages_up,
        messages_down=outcome.messages_down,
        bytes_up=outcome.octets_up,
        bytes_down=outcome.octets_down,
        client_code=outcome.client_code,
        backend_code=outcome.backend_code,
        client_rtt_ms=_milliseconds(outcome.client_rtt),
        backend_rtt_ms=_milliseconds(outcome.backend_rtt),
        ended_by="gateway" if outcome.side is None else outcome.side.value,
        reason=outcome.cause.value,
        detail=outcome.detail or None,
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def refused(client: ClientInfo, path: str | None, route: str | None, refusal: Refusal, request_id: str = "") -> None:
    """A request was refused.

    request_id: empty if it has none
    path: as the log may show it; ``None`` if there was no request
    route: its name; ``None`` if no route was found
    """
    emit(
        logging.INFO,
        "refused",
        status=refusal.status,
        **client.fields(),
        path=path,
        route=route,
        reason=refusal.reason,
        detail=refusal.detail or None,
        request_id=request_id or None,
    )


def forwarded(
    client: ClientInfo,
    method: str,
    path: str,
    route: str,
    backend: str,
    status: int,
    *,
    since: float,
    bytes_up: int,
    bytes_down: int,
    detail: str = "",
    request_id: str = "",
) -> None:
    """Logs a request that a backend has answered over plain HTTP.

    since: when the request began (trio seconds)
    bytes_up, bytes_down: of the two bodies
    detail: why the answer was not sent to its end
    request_id: empty if it has none
    """
    if not _log.isEnabledFor(logging.INFO):
        return
    emit(
        logging.INFO,
        "forwarded",
        status=status,
        method=method,
        **client.fields(),
        path=path,
        route=route,
        backend=backend,
        bytes_up=bytes_up,
        bytes_down=bytes_down,
        duration=round(trio.current_time() - since, 3),
        detail=detail or None,
        request_id=request_id or None,
    )
