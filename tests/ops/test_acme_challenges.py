"""Which challenges a process knows of, from real stores."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.acme_challenge import write
from wsgate.gate.gateway import Gateway
from wsgate.ops import acme_challenges as module
from wsgate.ops.acme_challenges import DISK_TIME, ChallengeWatch, PendingChallenges
from wsgate.settings.model import Acme, AcmeChallenge, Listener, Settings, TcpAddress, Tls
from wsgate.site.site import Site


@pytest.fixture
def acme(tmp_path: Path) -> Acme:
    settings = Acme(hosts=("a.example.com",), store=str(tmp_path), challenge=AcmeChallenge.TLS_ALPN)
    Path(settings.tls_challenges).mkdir()
    return settings


def site(*several: Acme) -> Site:
    listeners = tuple(Listener(bind=TcpAddress("127.0.0.1", 443 + n), tls=Tls(acme=a)) for n, a in enumerate(several))
    return Site(Settings(listeners=listeners, routes=()))


async def test_they_come_and_go(acme: Acme) -> None:
    gateway = Gateway(site(acme, acme))
    watch = ChallengeWatch(gateway)
    await watch.look()
    assert gateway.acme_challenges == {}
    directory = Path(acme.tls_challenges)
    write(directory, "a.example.com")
    await watch.look()
    first = gateway.acme_challenges
    assert list(first) == ["a.example.com"]
    gateway.use_site(site(acme))  # a reload meanwhile
    other = write(directory, "b.example.com")
    await watch.look()
    assert gateway.acme_challenges.keys() == {"a.example.com", "b.example.com"}
    assert gateway.acme_challenges["a.example.com"] is first["a.example.com"]
    os.unlink(other)
    write(directory, "a.example.com")  # of the next order
    await watch.look()
    assert gateway.acme_challenges.keys() == {"a.example.com"}
    assert gateway.acme_challenges["a.example.com"] is not first["a.example.com"]


@pytest.mark.parametrize(
    "changed",
    [
        lambda acme: site(),
        lambda acme: site(Acme(hosts=acme.hosts, store=acme.store, challenge=AcmeChallenge.HTTP)),
        lambda acme: site(Acme(hosts=acme.hosts, store=f"{acme.store}/other")),
    ],
)
async def test_a_reload_without_them(acme: Acme, changed: Callable[[Acme], Site]) -> None:
    gateway = Gateway(site(acme))
    watch = ChallengeWatch(gateway)
    write(Path(acme.tls_challenges), "a.example.com")
    await watch.look()
    assert gateway.acme_challenges
    gateway.use_site(changed(acme))
    await watch.look()
    assert gateway.acme_challenges == {}


def test_what_is_no_challenge_is_left_out(acme: Acme) -> None:
    directory = Path(acme.tls_challenges)
    for name in (".new-x", "nonsense.pem"):
        (directory / name).touch()
    write(directory, "a.example.com")
    assert list(PendingChallenges().find([acme.tls_challenges, "/nonexistent"])) == ["a.example.com"]


async def test_it_looks_again(acme: Acme, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.001)
    gateway = Gateway(site(acme))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ChallengeWatch(gateway).run)
        write(Path(acme.tls_challenges), "a.example.com")
        with trio.fail_after(10):
            while not gateway.acme_challenges:  # noqa: ASYNC110 - threads tell nobody
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()


async def test_a_disk_that_hangs(acme: Acme, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    async def hang(limiter: trio.CapacityLimiter, within: float, work: Callable[[], object]) -> object:
        assert within == DISK_TIME
        await trio.sleep(within)
        raise trio.TooSlowError

    monkeypatch.setattr(module, "in_thread", hang)
    gateway = Gateway(site(acme))
    write(Path(acme.tls_challenges), "a.example.com")
    gateway.acme_challenges = PendingChallenges().find([acme.tls_challenges])
    assert gateway.acme_challenges
    await ChallengeWatch(gateway).look()
    assert gateway.acme_challenges == {}
