"""What is put into the metrics once a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import gateway_of, relay_to, route
from tests.peers.sockets import free_port
from tests.pki import Authority
from wsgate.events.metrics import LAG
from wsgate.gate.gateway import Gateway
from wsgate.ops import sampler
from wsgate.ops.certificates import CertificateWatch
from wsgate.ops.sampler import Sampler
from wsgate.settings.model import (
    Acme,
    Limits,
    Listener,
    Queue,
    RedisUrl,
    Relay,
    RelayBackend,
    Settings,
    TcpAddress,
    Tls,
    WebSocketUrl,
)
from wsgate.site.build import build
from wsgate.site.site import Site

Row = dict[tuple[str, ...], tuple[int, ...]]


def row_of(gateway: Gateway) -> Row:
    return {(metric.name, *labels): values for metric, labels, values in gateway.metrics.row.read()}


async def test_process_and_backends() -> None:
    gateway = gateway_of(route(relay_to(1), "chat"))
    (backend,) = gateway.site.routes[0].upstream.backends  # type: ignore[union-attr]
    backend.enter()
    gateway.upgrading = 2
    gateway.pump.full_rounds = 3
    gateway.metrics.log_dropped = lambda: 5
    for _ in range(5):
        backend.failed("it is down")
    sampling = Sampler(gateway, CertificateWatch())
    await sampling.sample()
    await sampling.sample()
    row = row_of(gateway)
    assert row["wsgate_backend_sessions", "chat", "ws://127.0.0.1:1"] == (1,)
    assert row["wsgate_backend_healthy", "chat", "ws://127.0.0.1:1"] == (1,)
    assert row["wsgate_backend_ejected", "chat", "ws://127.0.0.1:1"] == (0,)
    assert row["wsgate_backend_draining", "chat", "ws://127.0.0.1:1"] == (0,)
    assert row["wsgate_backend_failures_total", "chat", "ws://127.0.0.1:1"] == (5,)
    assert row["wsgate_backend_ejections_total", "chat", "ws://127.0.0.1:1"] == (0,)
    assert row["wsgate_log_lines_dropped_total",] == (5,)
    assert row["wsgate_handshakes",] == (2,)
    assert row["wsgate_pump_full_rounds_total",] == (3,)
    assert row["wsgate_process_resident_memory_bytes", "0"][0] > 1 << 20
    assert row["wsgate_process_max_fds", "0"][0] > 10
    assert row["wsgate_process_open_fds", "0"][0] > 2


async def test_limits_that_several_gateways_share() -> None:
    """Only where they do."""
    gone = RedisUrl(False, (TcpAddress("127.0.0.1", free_port()),))
    settings = Settings(listeners=(), routes=(), limits=Limits(shared=gone))
    gateway = Gateway(build(settings))
    sampling = Sampler(gateway, CertificateWatch())
    await sampling.sample()
    assert row_of(gateway)["wsgate_limits_not_shared",] == (0,)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.shared_limits.run)
        while row_of(gateway)["wsgate_limits_not_shared",] != (1,):
            await sampling.sample()
        nursery.cancel_scope.cancel()
    assert row_of(gateway)["wsgate_limits_shared_failures_total",][0] >= 1
    gateway.use_site(build(replace(settings, limits=Limits())))
    await sampling.sample()
    assert ("wsgate_limits_not_shared",) not in row_of(gateway)


async def test_sessions_that_wait(nursery: trio.Nursery) -> None:
    """Of routes that have a queue."""
    to = RelayBackend(url=WebSocketUrl(TcpAddress("h", 1), None), sessions=1)
    gateway = gateway_of(route(Relay(to=(to,), queue=Queue()), "chat"), route(relay_to(1), "other"))
    upstream = gateway.site.routes[0].upstream
    assert upstream is not None
    upstream.activate()
    upstream.backends[0].enter()
    nursery.start_soon(upstream.queue.wait, lambda: upstream.backends, (), 5.0)
    await trio.testing.wait_all_tasks_blocked()
    await Sampler(gateway, CertificateWatch()).sample()
    row = row_of(gateway)
    assert row["wsgate_sessions_waiting", "chat"] == (1,)
    assert ("wsgate_sessions_waiting", "other") not in row


async def test_what_a_reload_has_removed_is_gone() -> None:
    gateway = gateway_of(route(relay_to(1), "chat"))
    sampling = Sampler(gateway, CertificateWatch())
    await sampling.sample()
    gateway.site = replace(gateway.site, routes=[])
    await sampling.sample()
    assert not [key for key in row_of(gateway) if key[0].startswith("wsgate_backend_h")]


async def test_certificates(authority: Authority) -> None:
    pair = authority.issue("a.example")
    tls = Tls(certificate=pair.certificate, key=pair.key)
    gateway = gateway_of(route(relay_to(1)), listeners=(Listener(bind=TcpAddress("127.0.0.1", 443), tls=tls),))
    watch = CertificateWatch()
    watch.use_site(gateway.site)
    await Sampler(gateway, watch).sample()
    row = row_of(gateway)
    assert row["wsgate_certificate_expiry_timestamp_seconds", pair.certificate][0] > 1_700_000_000
    assert row["wsgate_certificate_missing", pair.certificate] == (0,)


async def test_a_certificate_that_is_not_there_yet(tmp_path: Path) -> None:
    acme = Acme(hosts=("a.example",), store=str(tmp_path))
    listener = Listener(bind=TcpAddress("127.0.0.1", 443), tls=Tls(acme=acme))
    gateway = gateway_of(route(relay_to(1)), listeners=(listener,))
    watch = CertificateWatch()
    watch.use_site(gateway.site)
    sampler = Sampler(gateway, watch)
    await sampler.sample()
    assert row_of(gateway)["wsgate_certificate_missing", acme.file] == (1,)
    watch.use_site(Site(Settings(listeners=(), routes=())))
    await sampler.sample()
    assert ("wsgate_certificate_missing", acme.file) not in row_of(gateway)


async def test_it_goes_on_and_sees_the_lag(autojump_clock: MockClock) -> None:
    gateway = gateway_of(route(relay_to(1)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Sampler(gateway, CertificateWatch()).run)
        await trio.sleep(3.5)
        nursery.cancel_scope.cancel()
    *counts, _ = row_of(gateway)[LAG.name,]
    assert sum(counts) == 3


async def test_thousands_of_sessions_are_gone_over_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = gateway_of(route(relay_to(1)))

    class Idle:
        info = type("Info", (), {"route": "it"})

        def take_traffic(self) -> None:
            order.append("session")

    order: list[str] = []
    monkeypatch.setattr(type(gateway.sessions), "__iter__", lambda self: iter([Idle()] * (2 * sampler.SLICE + 1)))

    async def other() -> None:
        while True:
            order.append("other")
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await Sampler(gateway, CertificateWatch()).sample()
        nursery.cancel_scope.cancel()
    assert order.count("session") == 2 * sampler.SLICE + 1
    assert order.index("other") <= 2 * sampler.SLICE  # the two tasks take turns in any order


async def test_a_connection_that_is_being_ended_is_no_handshake() -> None:
    gateway = gateway_of(route(relay_to(1)))
    gateway.idle.add(trio.CancelScope())  # its silence has ended it, and it has not woken up yet
    await Sampler(gateway, CertificateWatch()).sample()
    assert row_of(gateway)["wsgate_handshakes",] == (0,)


async def test_many_backends_are_gone_over_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "BACKENDS", 1)
    gateway = gateway_of(route(relay_to(1), "a"), route(relay_to(2), "b"))
    sampling = Sampler(gateway, CertificateWatch())
    async with trio.open_nursery() as nursery:  # at once, as a scrape does
        for _ in range(3):
            nursery.start_soon(sampling.sample)
    assert row_of(gateway)["wsgate_backend_healthy", "b", "ws://127.0.0.1:2"] == (1,)


async def test_a_bug_ends_no_session(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sampling = Sampler(gateway_of(route(relay_to(1))), CertificateWatch())
    monkeypatch.setattr(sampling, "_sample_process", lambda: 1 / 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sampling.run)
        await trio.sleep(1.5)
        nursery.cancel_scope.cancel()
    assert [record.message for record in caplog.records] == ["internal error: please report it"] * 2
    caplog.clear()
