"""The log lines of sessions and requests: when a session begins and ends, and for each HTTP answer.

An HTTP answer is ``answered``, or ``refused`` if it says no. Both have the same fields; ``log.access`` chooses among
them.
"""

from __future__ import annotations

import logging

import trio

from wsgate.events.emit import emit
from wsgate.gate.exchange import Exchange
from wsgate.gate.metrics import cause_of
from wsgate.gate.request_values import path_for_log
from wsgate.relay.closing import Side
from wsgate.relay.outcome import Outcome
from wsgate.relay.session_info import ClientInfo, SessionInfo
from wsgate.settings.model import LogAccess
from wsgate.wire.http import Refusal, Request

_log = logging.getLogger("wsgate")

_ERRORS = 400  # the least status of an error (RFC 9110 §15)


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
        **_counts(info, outcome),
        **end_fields(outcome),
    )


def end_fields(outcome: Outcome) -> dict[str, object]:
    """Returns why a session has ended, by the names of the log's fields."""
    return {
        "client_code": outcome.client_code,
        "backend_code": outcome.backend_code,
        "client_reason": outcome.client_reason or None,
        "backend_reason": outcome.backend_reason or None,
        "ended_by": "gateway" if outcome.side is None else outcome.side.value,
        "reason": outcome.cause.value,
        "detail": outcome.detail or None,
    }


def throttled(info: SessionInfo, source: Side, rule: str) -> None:
    """A side of a session has sent too fast for the first time."""
    emit(logging.INFO, "throttled", **info.fields(), side=source.value, detail=rule)


def still_open(info: SessionInfo, outcome: Outcome) -> None:
    """A session goes on. ``outcome``: as it is until now."""
    emit(logging.INFO, "still open", **_counts(info, outcome))


def _counts(info: SessionInfo, outcome: Outcome) -> dict[str, object]:
    return {
        **info.fields(),
        "duration": _duration(info.since),
        "messages_up": outcome.messages_up,
        "messages_down": outcome.messages_down,
        "largest_up": outcome.largest_up,
        "largest_down": outcome.largest_down,
        "bytes_up": outcome.octets_up,
        "bytes_down": outcome.octets_down,
        **_plain_sizes(outcome),
        **(_throttles(outcome) if outcome.throttled_up or outcome.throttled_down else {}),
        "client_rtt_ms": _milliseconds(outcome.client_rtt),
        "backend_rtt_ms": _milliseconds(outcome.backend_rtt),
    }


def _plain_sizes(outcome: Outcome) -> dict[str, object]:
    """What was compressed on either side, in both forms; empty if nothing was."""
    up, down = outcome.codec_up, outcome.codec_down
    if up is None or down is None:
        return {}
    # Where both sides compress, the source's messages count
    return {
        "plain_up": up.inflated or up.plain,
        "plain_down": down.inflated or down.plain,
        "compressed_up": up.received or up.deflated,
        "compressed_down": down.received or down.deflated,
    }


def _throttles(outcome: Outcome) -> dict[str, object]:
    return {"throttled_up": round(outcome.throttled_up, 3), "throttled_down": round(outcome.throttled_down, 3)}


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def answered(
    exchange: Exchange,
    status: int,
    *,
    backend: str | None = None,
    bytes_up: int = 0,
    bytes_down: int = 0,
    detail: str = "",
) -> None:
    """Logs a request that got its answer.

    backend: that gave the answer; ``None`` if the gateway itself did
    bytes_up, bytes_down: of the two bodies
    detail: why the answer was not sent to its end
    """
    if _is_wanted(exchange.site.settings.log.access, status):
        emit(
            logging.INFO,
            "answered",
            **_request(status, exchange.client_info, exchange.request, _path(exchange)),
            route=exchange.route.name,
            backend=backend,
            bytes_up=bytes_up,
            bytes_down=bytes_down,
            duration=_duration(exchange.since),
            cause=None,
            reason=None,
            detail=detail or None,
            request_id=exchange.request_id or None,
        )


def refused(exchange: Exchange, refusal: Refusal) -> None:
    """Logs a request that was refused."""
    refused_early(
        exchange.site.settings.log.access,
        refusal,
        exchange.client_info,
        exchange.request,
        _path(exchange),
        exchange.route.name,
        since=exchange.since,
        request_id=exchange.request_id,
    )


def refused_early(
    access: LogAccess,
    refusal: Refusal,
    client: ClientInfo,
    request: Request | None = None,
    path: str | None = None,
    route: str | None = None,
    *,
    since: float | None = None,
    request_id: str = "",
) -> None:
    """Logs a request that was refused before there was an exchange.

    request: ``None`` if none could be read
    path: as the log may show it
    route: its name; ``None`` if no route was found
    since: when the request was there (trio seconds)
    request_id: empty if it has none
    """
    if _is_wanted(access, refusal.status):
        emit(
            logging.INFO,
            "refused",
            **_request(refusal.status, client, request, path),
            route=route,
            backend=None,
            bytes_up=None,
            bytes_down=None,
            duration=None if since is None else _duration(since),
            cause=cause_of(refusal),
            reason=refusal.reason,
            detail=refusal.detail or None,
            request_id=request_id or None,
        )


def _is_wanted(access: LogAccess, status: int) -> bool:
    if access is LogAccess.OFF or (access is LogAccess.ERRORS and status < _ERRORS):
        return False
    return _log.isEnabledFor(logging.INFO)


def _request(status: int, client: ClientInfo, request: Request | None, path: str | None) -> dict[str, object]:
    method = None if request is None else request.method.decode("latin-1")
    return {"status": status, "method": method, **client.fields(), "path": path}


def _duration(since: float) -> float:
    return round(trio.current_time() - since, 3)


def _path(exchange: Exchange) -> str:
    return path_for_log(exchange.request, exchange.route.settings)
