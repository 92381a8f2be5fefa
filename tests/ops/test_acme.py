"""When a certificate is ordered, and what happens when there is none."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.pki import Authority
from wsgate.events.metrics import ACME_FAILURES
from wsgate.gate.gateway import Gateway
from wsgate.net.tls.x509 import X509
from wsgate.ops import acme
from wsgate.ops.acme import PAUSES, Renewal, is_due
from wsgate.ops.acme_errors import AcmeError, LockedError
from wsgate.settings.model import Acme, AcmeChallenge, Listener, Settings, TcpAddress, Tls
from wsgate.site.site import Site

DAY = 86400.0
LOOK = 50.0  # a virtual clock takes some milliseconds for each


def certificate(*names: str, days: float = 90) -> X509:
    return X509("", names or ("a.example.com",), True, 0.0, days * DAY)


@pytest.mark.parametrize(
    ("found", "day", "expected"),
    [
        (certificate(), 0, False),
        (certificate(), 56, False),
        (certificate(), 61, True),
        (certificate(), 200, True),
        (certificate(days=6), 3, False),
        (certificate(days=6), 4.1, True),
        (certificate("b.example.com"), 0, True),
        (certificate("b.example.com", "a.example.com"), 0, False),
    ],
)
def test_when_one_is_due(found: X509, day: float, expected: bool) -> None:
    settings = Acme(hosts=("A.example.com",), store="/")
    assert is_due(found, settings, day * DAY) is expected


class Orders:
    """What was ordered, and how it ends."""

    def __init__(self, store: Path) -> None:
        self.settings = Acme(hosts=("a.example.com",), store=str(store))
        self.number = self.used = 0
        self.failure: Exception | None = None
        self._authority = Authority(store)
        listeners = (Listener(bind=TcpAddress("127.0.0.1", 1), tls=Tls(acme=self.settings)),)
        self.gateway = Gateway(Site(Settings(listeners=listeners, routes=())))

    def obtain(self, settings: Acme, kind: AcmeChallenge) -> None:
        assert settings is self.settings
        assert kind is AcmeChallenge.TLS_ALPN  # there is no plain listener
        self.number += 1
        if self.failure is not None:
            raise self.failure
        pair = self._authority.issue("a.example.com")
        self.put(Path(pair.certificate).read_text())

    async def use(self) -> None:
        self.used += 1

    def put(self, text: str) -> None:
        os.makedirs(os.path.dirname(self.settings.file), exist_ok=True)
        Path(self.settings.file).write_text(text)

    @property
    def is_there(self) -> bool:
        return os.path.exists(self.settings.file)

    async def after(self, seconds: float) -> int:
        """How many orders there were by then."""
        await trio.sleep(seconds)
        await trio.testing.wait_all_tasks_blocked()
        return self.number

    def failures(self) -> int:
        return sum(value for metric, _, (value, *_) in self.gateway.metrics.row.read() if metric is ACME_FAILURES)


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    async def at_once(limiter: trio.CapacityLimiter, within: float, work: Callable[[], object]) -> object:
        """A virtual clock jumps while a thread works."""
        await trio.lowlevel.checkpoint()
        return work()

    monkeypatch.setattr(acme, "in_thread", at_once)
    monkeypatch.setattr(acme, "LOOK", LOOK)
    return Orders(tmp_path)


@asynccontextmanager
async def looking(orders: Orders) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Renewal(orders.gateway, orders.use, orders.obtain).run)
        await trio.sleep(1)
        yield
        nursery.cancel_scope.cancel()


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    return [(record.__dict__["event"], record.__dict__["fields"]) for record in caplog.records]


async def test_one_order_is_enough(orders: Orders, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock) -> None:
    caplog.set_level(logging.INFO, "wsgate")
    async with looking(orders):
        assert await orders.after(10 * LOOK) == 1
    assert orders.used == 1
    assert events(caplog) == [("certificate obtained", {"hosts": "a.example.com", "file": orders.settings.file})]


async def test_a_file_that_is_no_certificate_is_replaced(orders: Orders, autojump_clock: MockClock) -> None:
    orders.put("nonsense")
    async with looking(orders):
        assert await orders.after(10 * LOOK) == 1


async def test_a_failure_is_told_and_tried_again_ever_more_seldom(
    orders: Orders, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    orders.failure = AcmeError("the CA is down")
    async with looking(orders):
        assert await orders.after(0) == 1
        ((event, fields),) = events(caplog)
        assert (event, fields["error"]) == ("certificate not obtained", "the CA is down")
        assert fields["consequence"] == "TLS clients are shown one that they refuse"
        assert PAUSES[0] <= fields["retry_in"] <= 1.5 * PAUSES[0]
        assert await orders.after(PAUSES[0] - LOOK) == 1
        assert await orders.after(PAUSES[0] + LOOK) == 2
        in_an_hour = await orders.after(3600)
        assert in_an_hour <= 4  # Let's Encrypt bears five in an hour
        assert orders.failures() == in_an_hour
        orders.failure = None
        assert await orders.after(2 * PAUSES[-1]) == in_an_hour + 1
    assert orders.is_there


async def test_another_gateway_of_the_store_orders(
    orders: Orders, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    orders.failure = LockedError("another one")
    async with looking(orders):
        await orders.after(LOOK)
        orders.failure = None
        orders.obtain(orders.settings, AcmeChallenge.TLS_ALPN)
        number = orders.number
        assert await orders.after(10 * LOOK) == number
    assert events(caplog) == []


async def test_a_disk_or_ca_that_hangs(
    orders: Orders, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async def hang(limiter: trio.CapacityLimiter, within: float, work: Callable[[], object]) -> object:
        await trio.sleep(within)
        raise trio.TooSlowError

    monkeypatch.setattr(acme, "in_thread", hang)
    async with looking(orders):
        await orders.after(10)
    ((event, fields),) = events(caplog)
    assert (event, fields["error"]) == (
        "certificate not obtained",
        "the store's disk, or the CA, did not answer in time",
    )


async def test_only_the_first_worker_orders(orders: Orders) -> None:
    orders.gateway.sessions.worker = 2
    await Renewal(orders.gateway, orders.use, orders.obtain).run()
    assert orders.number == 0
