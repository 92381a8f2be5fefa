"""What the gate tells of an upgrade to a tracer: a span for the upgrade, and one in it for each backend that is asked.

The tracer itself is ``ops.tracing``; without ``tracing`` in the settings there is none.
"""

from __future__ import annotations

from typing import Protocol

from wsgate.gate.client import Client
from wsgate.site.route import LiveRoute
from wsgate.wire.headers import Headers
from wsgate.wire.http import Refusal, Request

# The fields of W3C Trace Context, which the gateway writes anew for backends
FIELDS = (b"traceparent", b"tracestate")


class DialSpan(Protocol):
    """One backend that is asked."""

    @property
    def headers(self) -> Headers:
        """The fields that make the backend's own spans children of this one."""

    def end(self, refusal: Refusal | None) -> None:
        """It is open, or (``refusal``) it cannot be used."""


class UpgradeSpan(Protocol):
    """One request for a WebSocket, from its head to its answer."""

    def dial(self, backend: str) -> DialSpan:
        """A backend is dialled now. ``backend``: as the log has it"""

    def end(self, status: int, session: str | None, detail: str = "") -> None:
        """It is answered.

        status: 101 if a session begins
        session: its id
        detail: why it is refused, as the log has it
        """


class Tracer(Protocol):
    def begin(self, request: Request, route: LiveRoute, client: Client) -> UpgradeSpan:
        """A request for a WebSocket has come, and a route takes it."""
