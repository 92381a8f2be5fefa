"""Sends spans to an OpenTelemetry collector, by the SDK of OpenTelemetry (extra ``otel``).

Spans are kept in a bounded queue, which a thread of the SDK's empties. A collector that hangs costs spans and nothing
else: what does not fit is dropped, and the log says once that spans are not exported.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wsgate import __version__
from wsgate.events.emit import emit
from wsgate.gate.client import Client
from wsgate.gate.request_values import path_for_log
from wsgate.gate.tracing import FIELDS
from wsgate.settings.model import Tracing
from wsgate.site.route import LiveRoute
from wsgate.wire.headers import Headers, values
from wsgate.wire.http import Refusal, Request

TIMEOUT = 10.0  # seconds for one request to the collector
QUEUE = 2048  # spans; a burst of upgrades beyond it is not traced
BATCH = 512  # spans of one request
DELAY = 1.0  # seconds that a span waits for others, at most
LAST = 2.0  # seconds for what is left at the end of the process

_CONTEXT = TraceContextTextMapPropagator()


class Tracer:
    """Makes spans and has them exported. Open it behind the last fork: it has a thread."""

    def __init__(self, settings: Tracing) -> None:
        resource = Resource.create({SERVICE_NAME: settings.service, SERVICE_VERSION: __version__})
        sampler = ParentBased(TraceIdRatioBased(settings.sample / 100))
        # without atexit: the process must not wait there for a collector that hangs
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        exporter = _Exporter(OTLPSpanExporter(endpoint=settings.to, timeout=TIMEOUT), settings.to)
        self._processor = BatchSpanProcessor(exporter, QUEUE, DELAY * 1000, BATCH)
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("wsgate", __version__)
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)  # it would log each failure; _Exporter logs

    def begin(self, request: Request, route: LiveRoute, client: Client) -> UpgradeSpan:
        """Begins the span of an upgrade, inside the client's own trace if its request has one."""
        carrier = {name.decode(): _only(request.headers, name) for name in FIELDS}
        attributes = {
            "http.request.method": "GET",
            "http.route": route.name,
            "url.path": path_for_log(request, route.settings),
            "url.scheme": "wss" if client.scheme == b"https" else "ws",
            "server.address": client.info.host or "",
            "client.address": client.chain[0] if client.chain else "",
            "network.protocol.name": "websocket",
        }
        span = self._tracer.start_span(
            f"GET {route.name}", context=_CONTEXT.extract(carrier), kind=SpanKind.SERVER, attributes=attributes
        )
        return UpgradeSpan(self._tracer, span)

    def close(self) -> None:
        """Exports what is left, within ``LAST`` seconds, and ends the SDK's thread."""
        last = threading.Thread(target=self._processor.shutdown, daemon=True)
        last.start()
        last.join(LAST)


class UpgradeSpan:
    """The span of an upgrade."""

    def __init__(self, tracer: trace.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span

    def dial(self, backend: str) -> DialSpan:
        attributes = {"wsgate.backend": backend}
        context = trace.set_span_in_context(self._span)
        return DialSpan(self._tracer.start_span("dial", context=context, kind=SpanKind.CLIENT, attributes=attributes))

    def end(self, status: int, session: str | None, detail: str = "") -> None:
        self._span.set_attribute("http.response.status_code", status)
        if session is not None:
            self._span.set_attribute("wsgate.session.id", session)
        if status >= 500:  # what a client has done wrong is no error of a server's span
            self._span.set_status(Status(StatusCode.ERROR, detail or None))
        self._span.end()


class DialSpan:
    """The span of one backend that is asked."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def headers(self) -> Headers:
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, trace.set_span_in_context(self._span))
        return [(name.encode(), value.encode("latin-1", "ignore")) for name, value in carrier.items()]

    def end(self, refusal: Refusal | None) -> None:
        if refusal is not None:
            self._span.set_attribute("http.response.status_code", refusal.status)
            self._span.set_status(Status(StatusCode.ERROR, refusal.detail or refusal.reason))
        self._span.end()


def _only(headers: Headers, name: bytes) -> str:
    """Returns the value of a field; nothing if it comes more than once, which is malformed."""
    found = values(headers, name)
    return found[0].decode("latin-1") if len(found) == 1 else ""


class _Exporter(SpanExporter):
    """Logs when spans are not exported, and when they are again."""

    def __init__(self, exporter: OTLPSpanExporter, to: str) -> None:
        self._exporter = exporter
        self._to = to
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # the SDK's thread must live on
            reason = f"{type(error).__name__}: {error}"
        else:
            reason = "it does not answer, or refuses them"
        if result is SpanExportResult.SUCCESS:
            if self._failing:
                emit(logging.WARNING, "spans exported again", address=self._to)
            self._failing = False
        elif not self._failing:
            self._failing = True
            emit(logging.WARNING, "spans lost", address=self._to, error=reason)
        return result

    def shutdown(self, *_: Any) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True
