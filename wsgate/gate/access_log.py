"""What is said of a connection when it is over: one line, whatever happened."""

from __future__ import annotations

import logging

import trio

from wsgate.events.emit import emit
from wsgate.relay.session import Outcome
from wsgate.relay.session_info import ClientInfo, SessionInfo
from wsgate.wire.http import Refusal

_log = logging.getLogger("wsgate")

CLIENT_GONE = Refusal(499, "the client went away before its answer")  # nginx's status; nobody is there to hear it


def opened(info: SessionInfo) -> None:
    """A session has begun."""
    if not _log.isEnabledFor(logging.INFO):  # and nobody wants the fields
        return
    emit(logging.INFO, "opened", **info.fields())


def ended(info: SessionInfo, outcome: Outcome) -> None:
    """A session is over. ``reason`` is one word; ``detail`` says which rule, timeout or error it was."""
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


def refused(client: ClientInfo, path: str | None, route: str | None, refusal: Refusal) -> None:
    """A connection that got an HTTP answer instead of a session."""
    emit(
        logging.INFO,
        "refused",
        status=refusal.status,
        **client.fields(),
        path=path,
        route=route,
        reason=refusal.reason,
        detail=refusal.detail or None,
    )
