"""Which backends are tried for a session, and which are left out because they fail, on a virtual clock."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import trio
import trio.testing

from tests.log import Log
from wsgate.net.happy_eyeballs import SocketAddress
from wsgate.settings.model import (
    Balance,
    Eject,
    HashKey,
    Health,
    Policy,
    Relay,
    RelayBackend,
    TcpAddress,
    WebSocketUrl,
)
from wsgate.site.backend import LONGEST
from wsgate.site.shared_table import SharedTable
from wsgate.site.upstream import Upstream


def backend(port: int, **more: Any) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(TcpAddress("h", port), None), **more)


def upstream(*backends: RelayBackend, previous: Upstream | None = None, **more: Any) -> Upstream:
    return Upstream("it", Relay(to=backends, **more), previous)


def ports(found: Upstream, key: bytes = b"") -> list[int]:
    """The backends that are tried for one session, in their order."""
    return [each.address.address.port for each in found.candidates(key) if isinstance(each.address.address, TcpAddress)]


async def test_in_the_order_of_the_file() -> None:
    assert ports(upstream(backend(1), backend(2))) == [1, 2]


async def test_backups_come_last() -> None:
    found = upstream(backend(1, backup=True), backend(2), backend(3))
    assert ports(found) == [2, 3, 1]


async def test_backups_alone_are_none() -> None:
    assert ports(upstream(backend(1, backup=True), backend(2, backup=True))) == [1, 2]


@pytest.mark.parametrize("policy", list(Policy))
async def test_every_policy_tries_all(policy: Policy) -> None:
    found = upstream(backend(1), backend(2), backend(3), balance=Balance(policy=policy))
    assert sorted(ports(found)) == [1, 2, 3]


async def test_by_a_hash() -> None:
    found = upstream(*map(backend, range(1, 6)), balance=Balance(hash=HashKey(None)))
    assert len({ports(found, b"192.0.2.7")[0] for _ in range(5)}) == 1
    assert len({ports(found, b"%d" % number)[0] for number in range(100)}) == 5


async def test_least_sessions_knows_of_each_session() -> None:
    found = upstream(backend(1), backend(2), balance=Balance(policy=Policy.LEAST_SESSIONS))
    first = next(found.candidates())
    for _ in range(3):
        first.enter()
    for _ in range(3):
        assert next(found.candidates()) is not first
    for _ in range(3):
        first.leave()
    assert {ports_of(next(found.candidates())) for _ in range(2)} == {1, 2}


def ports_of(live: Any) -> int:
    port: int = live.address.address.port
    return port


async def test_a_backend_at_its_cap() -> None:
    found = upstream(backend(1, sessions=1), backend(2))
    first = next(found.candidates())
    first.enter()
    assert ports(found) == [2]
    first.leave()
    assert ports(found) == [1, 2]


async def test_plain_requests_have_no_cap() -> None:
    """Unhealthy backends get none of them, and the ejected ones are the last."""
    found = upstream(backend(1, sessions=1), backend(2), eject=Eject(failures=1), balance=Balance(cookie="desk"))
    first = next(found.candidates())
    first.enter()

    def tried(cookie: str | None = None) -> list[int]:
        return [ports_of(each) for each in found.candidates(cookie=cookie, plain=True)]

    assert ports(found) == [2]
    assert tried() == [1, 2]
    assert tried(found.cookie_of(found.backends[1])) == [2, 1]
    assert tried(found.cookie_of(first)) == [1, 2]
    first.failed("refused")
    assert tried() == [2, 1]
    assert tried(found.cookie_of(first)) == [2, 1]
    first.healthy = False
    assert tried() == [2]


async def test_one_that_fails_gets_no_sessions_for_a_while(log: Log, autojump_clock: trio.testing.MockClock) -> None:
    found = upstream(backend(1), backend(2), eject=Eject(failures=2, for_=10.0))
    first = next(found.candidates())
    first.failed("refused")
    assert ports(found) == [1, 2]
    first.failed("refused")
    assert ports(found) == [2, 1]
    assert log.events() == ["backend failed", "backend ejected"]
    assert log.one("backend ejected") == {"route": "it", "backend": "ws://h:1", "seconds": 10.0, "error": "refused"}
    await trio.sleep(10)
    assert ports(found) == [1, 2]
    first.failed("refused")  # it is no better: one more is enough, and it is out for longer
    assert ports(found) == [2, 1]
    await trio.sleep(19)
    assert ports(found) == [2, 1]
    await trio.sleep(1)
    first.worked()
    assert log.events()[-1] == "backend well again"
    first.failed("refused")
    assert ports(found) == [1, 2]


async def test_no_backend_is_out_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    found = upstream(backend(1), backend(2), eject=Eject(failures=1, for_=10.0))
    first = next(found.candidates())
    for _ in range(20):
        first.failed("refused")
        await trio.sleep(LONGEST)
        assert ports(found) == [1, 2]


@pytest.mark.parametrize(("count", "at_most", "out"), [(1, 100, 0), (2, 50, 1), (2, 100, 1), (3, 50, 1), (10, 50, 5)])
async def test_some_are_always_left(count: int, at_most: int, out: int) -> None:
    found = upstream(*map(backend, range(1, count + 1)), eject=Eject(failures=1, at_most=at_most))
    for each in list(found.candidates()):
        each.failed("refused")
    assert sum(each.is_ejected for each in found.backends) == out
    assert len(ports(found)) == count  # the ejected ones last


async def test_an_ejected_one_is_the_last_resort() -> None:
    """Where the others are gone, full or unhealthy, unless it is full or unhealthy itself. Nobody is tried twice."""
    found = upstream(backend(1, sessions=1), backend(2), backend(3, backup=True), eject=Eject(failures=1, at_most=50))
    next(found.candidates()).failed("refused")
    assert ports(found) == [2, 3, 1]
    found.backends[0].enter()
    assert ports(found) == [2, 3]
    found.backends[0].leave()
    found.backends[0].healthy = False
    assert ports(found) == [2, 3]
    found.backends[0].healthy = True
    found.backends[1].healthy = found.backends[2].healthy = False
    assert ports(found) == [1]

    found = upstream(backend(1), backend(2), eject=Eject(failures=1))
    tried = []
    for each in found.candidates():
        tried.append(ports_of(each))
        each.failed("refused")  # which ejects the first one during this very session
    assert tried == [1, 2]


async def test_it_can_be_switched_off() -> None:
    found = upstream(backend(1), backend(2), eject=None)
    for _ in range(100):
        next(found.candidates()).failed("refused")
    assert ports(found) == [1, 2]
    assert found.early is None


async def test_sessions_that_have_just_begun(log: Log) -> None:
    """A successful upgrade does not clear the failure; a clean end does."""
    found = upstream(backend(1), backend(2), eject=Eject(failures=3))
    first = next(found.candidates())
    for failure in ("gone", "gone", "", "gone", "gone"):
        first.worked()
        first.ended(failure)
    assert ports(found) == [1, 2]
    first.worked()
    first.ended("gone")
    assert ports(found) == [2, 1]


async def test_a_thousand_clean_ends_eject_nobody() -> None:
    found = upstream(backend(1), backend(2), eject=Eject(failures=1))
    for _ in range(1000):
        first = next(found.candidates())
        first.worked()
        first.ended()
    assert ports(found) == [1, 2]


async def test_a_reload_keeps_what_is_known_of_a_backend() -> None:
    before = upstream(backend(1), backend(2), eject=Eject(failures=1))
    first = next(before.candidates())
    first.enter()
    first.failed("refused")
    now = upstream(backend(3), backend(1, sessions=5), previous=before)
    assert ports(now) == [3, 1]
    assert now.backends[1] is before.backends[0]
    assert now.backends[1].cap == 5


async def test_a_site_that_is_not_wanted_changes_nothing() -> None:
    before = upstream(backend(1))
    assert ports(before) == [1]
    upstream(backend(1, sessions=1), previous=before)
    assert before.backends[0].cap is None


async def test_a_cookie_brings_its_client_back() -> None:
    """And is nothing that somebody could make who does not know the secret."""
    relay = Relay(to=tuple(map(backend, (1, 2, 3))), balance=Balance(cookie="desk"))
    found = Upstream("it", relay, None, b"secret")
    value = found.cookie_of(found.backends[2])
    assert [ports_of(each) for each in found.candidates(cookie=value)] == [3, 1, 2]
    for other in (None, "", "ws://h:3", "x"):
        assert [ports_of(each) for each in found.candidates(cookie=other)] == [1, 2, 3]
    again = Upstream("it", relay, found, b"secret")
    assert again.cookie_of(again.backends[2]) == value
    other_secret = Upstream("it", relay, None, b"another")
    assert other_secret.cookie_of(other_secret.backends[2]) != value
    found.backends[2].healthy = False
    assert [ports_of(each) for each in found.candidates(cookie=value)] == [1, 2]


async def test_one_that_has_come_back_gets_its_share_slowly(log: Log, autojump_clock: trio.testing.MockClock) -> None:
    """After an ejection, and when its checks succeed again; not at the start."""
    health = Health(tcp=True, rise=1, fall=1, slow_start=30.0)
    balance = Balance(policy=Policy.ROUND_ROBIN)
    found = upstream(backend(1), backend(2), balance=balance, health=health, eject=Eject(failures=1, for_=10.0))
    first = found.backends[0]

    def share() -> int:
        return sum(next(found.candidates()) is first for _ in range(100))

    assert share() == 50
    first.failed("refused")
    assert share() == 0
    await trio.sleep(10)
    assert share() == pytest.approx(9, abs=1)
    await trio.sleep(15)
    assert share() == pytest.approx(33, abs=1)
    await trio.sleep(15)
    assert share() == 50
    first.checked("refused", health)
    assert share() == 0
    await trio.sleep(100)
    first.checked("", health)
    assert share() == pytest.approx(9, abs=1)
    first.failed("refused")
    first.worked()  # a session had no other
    assert share() == pytest.approx(9, abs=1)
    await trio.sleep(30)
    assert share() == 50


async def test_without_slow_start_it_gets_its_share_at_once(log: Log) -> None:
    found = upstream(backend(1), backend(2), balance=Balance(policy=Policy.ROUND_ROBIN), eject=Eject(failures=1))
    first = next(found.candidates())
    first.failed("refused")
    first.worked()
    assert sum(next(found.candidates()) is first for _ in range(100)) == pytest.approx(50, abs=1)


NAME = TcpAddress("app.example.com", 1)


def named(**more: Any) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(NAME, None), **more)


def addresses(*ips: str) -> dict[TcpAddress, list[SocketAddress]]:
    return {NAME: [(socket.AF_INET, (ip, 1)) for ip in ips]}


def names(found: Upstream) -> list[str]:
    return [each.name for each in found.candidates()]


async def test_what_stays_is_the_same_object(log: Log) -> None:
    found = upstream(backend(1), named(weight=3, sessions=9), resolve=10.0)
    first, whole = found.candidates()
    found.update(answers=addresses("10.0.0.7", "10.0.0.8"))
    assert found.backends[0] is first
    assert names(found)[1:] == ["ws://app.example.com:1 (10.0.0.7)", "ws://app.example.com:1 (10.0.0.8)"]
    seventh, eighth = found.backends[1:]
    assert (eighth.weight, eighth.cap) == (3, 9)
    assert whole.removed
    log.captured.clear()
    found.update(answers=addresses("10.0.0.8", "10.0.0.7"), listed=())  # as name servers turn their answers
    assert (list(found.backends), log.events()) == ([first, seventh, eighth], [])
    seventh.enter()
    found.update(answers=addresses("10.0.0.8"))
    assert list(found.candidates()) == [first, eighth]
    assert not seventh.usable
    found.update(answers=addresses("10.0.0.8", "10.0.0.7"))
    assert list(found.candidates()) == [first, eighth, seventh]  # it still has its session
    assert (seventh.sessions, seventh.usable) == (1, True)
    seventh.leave()
    eighth.leave()
    found.update(answers=addresses())
    assert names(found) == ["ws://h:1", "ws://app.example.com:1"]


@pytest.mark.parametrize("policy", list(Policy))
async def test_a_choice_that_began_before_a_change(policy: Policy) -> None:
    """It gets none that has gone, and the others once each."""
    found = upstream(backend(1), backend(2), balance=Balance(policy=policy))
    found.update(listed=[backend(3), backend(4)])
    choice = found.candidates()
    first = next(choice)
    found.update(listed=[backend(5)])
    rest = list(choice)
    assert first not in rest
    assert {ports_of(each) for each in (first, *rest)} - {ports_of(first)} == {1, 2} - {ports_of(first)}


@pytest.mark.parametrize("policy", list(Policy))
async def test_a_newcomer_gets_sessions(policy: Policy) -> None:
    found = upstream(backend(1), balance=Balance(policy=policy))
    next(found.candidates()).enter()
    found.update(listed=[backend(2)])
    assert sorted(ports(found)) == [1, 2]
    new = found.backends[1]
    assert next(found.candidates()) in found.backends
    new.enter()
    new.leave()


async def test_other_settings_of_the_same_backend() -> None:
    found = upstream(backend(1), backend(2))
    first = found.backends[0]
    found.update(listed=[backend(1, weight=5, backup=True)])
    assert found.backends[0] is first
    assert first.weight == 5
    assert ports(found) == [2, 1]


async def test_a_cookie_of_one_that_has_gone() -> None:
    found = upstream(backend(1), balance=Balance(cookie="c"))
    found.update(listed=[backend(2)])
    gone = found.backends[1]
    value = found.cookie_of(gone)
    assert next(found.candidates(cookie=value)) is gone
    found.update(listed=[])
    assert found.cookie_of(gone) == value  # a handshake was under way
    assert list(found.candidates(cookie=value)) == [found.backends[0]]


async def test_a_reload_keeps_what_is_known(log: Log) -> None:
    more: dict[str, Any] = {"resolve": 10.0, "to_file": "/etc/chat.backends"}
    before = upstream(named(), **more)
    before.update(listed=[backend(1)], answers=addresses("10.0.0.7"))
    busy = before.backends[1]
    busy.enter()
    before.update(listed=[backend(2)])
    log.captured.clear()
    after = upstream(named(), previous=before, **{**more, "resolve": 20.0})
    assert list(after.backends) == list(before.backends)
    assert log.events() == []
    after.update(listed=[backend(1)])
    assert after.backends[1] is busy
    assert names(upstream(named(), previous=after)) == ["ws://app.example.com:1"]
    assert names(upstream(previous=after, to_file="/etc/other")) == []


async def test_reloads_do_not_pile_up_what_has_gone() -> None:
    found = upstream(backend(1))
    first = found.backends[0]
    for port in range(2, 50):
        found = upstream(backend(port), previous=found)
    assert upstream(backend(1), previous=found).backends[0] is not first


async def test_no_backend_at_all(log: Log) -> None:
    found = upstream(to_file="/etc/chat.backends")
    assert ports(found) == []
    assert found.why_none() == "there is none in /etc/chat.backends"
    found.update(listed=[backend(1)])
    assert ports(found) == [1]
    found.drain("ws://h:1")
    assert ports(found) == []
    assert found.why_none() == "each is unhealthy, or draining, or at its sessions"
    assert found.why_none(plain=True) == "each is unhealthy, or draining"
    found.update(listed=[])
    assert ports(found) == []


async def test_a_newcomer_starts_slowly_and_what_was_there_does_not(autojump_clock: trio.testing.MockClock) -> None:
    health = Health(tcp=True, slow_start=30.0)
    found = upstream(named(), health=health, resolve=10.0)
    next(found.candidates())
    found.update(answers=addresses("10.0.0.7"))
    assert found.backends[0].part(trio.current_time()) == 1.0
    found.update(listed=[backend(2)])
    new = found.backends[1]
    assert new.part(trio.current_time()) < 0.2
    await trio.sleep(30)
    assert new.part(trio.current_time()) == 1.0


def workers(*backends: RelayBackend, count: int = 2, **more: Any) -> tuple[list[Upstream], SharedTable]:
    """The upstream of each worker."""
    table = SharedTable(count)
    found = [upstream(*backends, **more) for _ in range(count)]
    for each, row in zip(found, table.rows, strict=True):
        each.share(row)
        each.activate()
    return found, table


async def test_a_cap_is_for_all_workers() -> None:
    (one, other), table = workers(backend(1, sessions=3), backend(2))
    assert [each.backends[0].enter() for each in (one, other, one)] == [True] * 3
    assert ports(one) == ports(other) == [2]
    assert not other.backends[0].enter()
    assert (other.backends[0].sessions, other.backends[0].all_sessions) == (1, 3)
    one.backends[0].leave()
    assert ports(one) == ports(other) == [1, 2]
    table.rows[0].clear()  # it is dead
    assert [other.backends[0].enter() for _ in range(3)] == [True, True, False]


async def test_two_that_want_the_last_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never do both get it."""
    (one, other), _ = workers(backend(1, sessions=1))
    first, second = one.backends[0], other.backends[0]
    assert first.has_place
    assert second.has_place
    first.sessions += 1
    first.shared.set(1)  # type: ignore[union-attr]  # the other one compares in this moment
    assert not second.enter()
    assert first.all_sessions == 1


async def test_a_reload_keeps_counting_for_all(log: Log) -> None:
    (one, other), _ = workers(backend(1, sessions=1))
    now = upstream(backend(1, sessions=2), backend(3, sessions=1), previous=one)
    now.activate()
    for each in now.backends:
        assert each.enter()
    other.update(listed=[backend(3, sessions=1)])
    assert ports(other) == []
    now.backends[1].leave()
    assert ports(other) == [3]


@pytest.mark.parametrize("policy", [Policy.LEAST_SESSIONS, Policy.RANDOM])
async def test_the_sessions_of_all_workers_decide(policy: Policy) -> None:
    (one, other), _ = workers(*map(backend, range(1, 9)), balance=Balance(policy=policy))
    for each in one.backends[:4]:
        for _ in range(100):
            each.enter()
    for _ in range(300):
        next(other.candidates()).enter()
    sums = [each.all_sessions for each in other.backends]
    assert max(sums) <= 102 if policy is Policy.LEAST_SESSIONS else max(sums) <= 130
    for each in one.backends[:4]:
        for _ in range(100):
            each.leave()
    for _ in range(200):
        next(other.candidates()).enter()
    sums = [each.all_sessions for each in other.backends]
    assert max(sums) - min(sums) <= 30


async def test_a_worker_that_replaces_a_dead_one_drains_what_the_others_drain(log: Log) -> None:
    (one, other), table = workers(backend(1), backend(2))
    for each in (one, other):
        assert each.drain("ws://h:1")
    table.rows[1].clear()  # its worker is dead
    replacement = upstream(backend(1), backend(2))
    replacement.share(table.rows[1])
    assert ports(replacement) == [2]
    for each in (one, replacement):
        assert each.drain("ws://h:1", on=False)
    late = upstream(backend(1), backend(2))
    late.share(SharedTable(2).rows[0])
    assert ports(late) == [1, 2]


async def test_a_backend_that_has_gone_drains_no_more_when_it_comes_back(log: Log) -> None:
    (one, other), _ = workers(backend(1))
    for each in (one, other):
        each.update(listed=[backend(2)])
        assert each.drain("ws://h:2")
        each.update(listed=[])
    for each in (one, other):
        each.update(listed=[backend(2)])
        assert ports(each) == [1, 2]
    assert one.drain("ws://h:2")
    tried = Upstream("it", one.relay, one, listed=[])  # of a site that is not used yet
    assert other.backends[1].shared_drain is not None
    assert other.backends[1].shared_drain.others() == 1
    tried.activate()
    assert other.backends[1].shared_drain.others() == 0
