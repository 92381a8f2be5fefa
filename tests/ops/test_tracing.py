"""The tracer without a gateway: what is logged of its collector, and what is sampled."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from tests.gate.conftest import NOWHERE, exchange_for, route
from tests.log import Log
from tests.peers.collector import Collector, attributes, collector, hanging_collector
from tests.peers.heads import request
from wsgate.ops import tracing
from wsgate.ops.tracing import Tracer
from wsgate.settings.model import Tracing
from wsgate.wire.http import Refusal


def trace(tracer: Tracer, headers: Mapping[str, str | None] = {}, status: int = 101, detail: str = "") -> str:
    """Traces an upgrade, and returns what its backend is told."""
    exchange = exchange_for(route(NOWHERE), request(headers=headers))
    span = tracer.begin(exchange.request, exchange.route, exchange.client)
    dial = span.dial("ws://b:1")
    told = dict(dial.headers)[b"traceparent"].decode()
    dial.end(Refusal(status, "no", detail=detail) if status >= 400 else None)
    span.end(status, "1" if status == 101 else None, detail)
    return told


def tracer_to(collected: Collector, sample: int = 100) -> Tracer:
    return Tracer(Tracing(to=f"{collected.url}/v1/traces", sample=sample))


def test_a_collector_that_refuses_is_logged_once(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        tracer = tracer_to(collected)
        collected.status = 400
        for _ in range(2):
            trace(tracer)
            tracer._processor.force_flush()
        assert log.events() == ["spans lost"]
        assert log.one("spans lost")["address"] == f"{collected.url}/v1/traces"
        collected.status = 200
        for _ in range(2):
            trace(tracer)
            tracer._processor.force_flush()
        tracer.close()
    assert log.events() == ["spans lost", "spans exported again"]
    assert collected.requests.get()[:2] == ("/v1/traces", "wsgate")


def test_its_end_does_not_wait_for_a_collector_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "LAST", 0.01)
    monkeypatch.setattr(tracing, "TIMEOUT", 1.0)
    with hanging_collector() as url:
        tracer = Tracer(Tracing(to=f"{url}/v1/traces"))
        trace(tracer)
        tracer.close()
        waiting = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
        assert waiting
        assert all(thread.daemon for thread in waiting)
    for thread in waiting:  # the collector has gone
        thread.join(20)


def test_what_is_sampled() -> None:
    """A trace of the client's keeps its own choice; for others it is a share."""
    kept = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with collector() as collected:
        tracer = tracer_to(collected, sample=1)
        assert trace(tracer, {"traceparent": kept}).endswith("-01")
        assert trace(tracer, {"traceparent": kept[:-1] + "0"}).endswith("-00")
        few = sum(trace(tracer).endswith("-01") for _ in range(500))
        tracer.close()
        spans = collected.spans(2 + 2 * few)
    assert few < 50
    assert sum(span.trace_id.hex() == kept[3:35] for span in spans) == 2


@pytest.mark.parametrize(
    "sent", ["", "x", "00-0-0-01", "ff" + "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-" + "0" * 32]
)
def test_a_malformed_traceparent_begins_a_trace(sent: str) -> None:
    with collector() as collected:
        tracer = tracer_to(collected)
        told = trace(tracer, {"traceparent": sent})
        tracer.close()
        (upgrade, _) = collected.spans(2)
    assert upgrade.parent_span_id == b""
    assert told[3:35] == upgrade.trace_id.hex()


def test_span_status_of_backend_failure_and_refused_client() -> None:
    with collector() as collected:
        tracer = tracer_to(collected)
        trace(tracer, status=403, detail="wrong user")
        trace(tracer, status=502, detail="refused")
        tracer.close()
        first, _, second, _ = collected.spans(4)
    assert first.status.code == first.status.STATUS_CODE_UNSET
    assert (second.status.code, second.status.message) == (second.status.STATUS_CODE_ERROR, "refused")
    assert "wsgate.session.id" not in attributes(second)
