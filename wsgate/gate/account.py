"""What is said of a connection when it is over: one line, whatever happened.

The lines go through the standard logger "wsgate"; an ``event`` and its ``fields`` travel in the record's ``extra``, and
``ops.log`` writes them as JSON or for people.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import trio

from wsgate.relay.join import Outcome
from wsgate.wire.http import Refusal

_log = logging.getLogger("wsgate")


def emit(level: int, event: str, **fields: object) -> None:
    """Log an event with its fields."""
    if _log.isEnabledFor(level):
        _log.log(level, event, extra={"event": event, "fields": fields})


@dataclass(frozen=True, slots=True)
class Who:
    """A client.

    peer: who has connected in its place, where that is not the same
    subject: whom its certificate names, where it has shown one
    user: whose password it knew, where one was asked for
    host: the host that it asked for, as it wrote it
    """

    client: str
    peer: str | None = None
    subject: str | None = None
    user: str | None = None
    host: str | None = None

    def fields(self) -> dict[str, object]:
        """What is known, under the names that the log has for it."""
        known = {
            "client": self.client,
            "peer": self.peer,
            "subject": self.subject,
            "user": self.user,
            "host": self.host,
        }
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Record:
    """Who is joined to whom, since when (trio seconds)."""

    route: str
    client: Who
    backend: str
    path: str
    subprotocol: str | None
    began: float

    def opened(self) -> None:
        emit(logging.INFO, "opened", **self._who())

    def ended(self, outcome: Outcome) -> None:
        """The session's line. ``reason`` is one word; ``detail`` says which rule, timeout or error it was."""
        emit(
            logging.INFO,
            "session",
            **self._who(),
            duration=round(trio.current_time() - self.began, 3),
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

    def _who(self) -> dict[str, object]:
        return {
            "route": self.route,
            **self.client.fields(),
            "backend": self.backend,
            "path": self.path,
            "subprotocol": self.subprotocol,
        }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def refused(client: Who, path: str | None, route: str | None, refusal: Refusal) -> None:
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
