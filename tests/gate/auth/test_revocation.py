"""Sessions end when their credential is taken back, on a virtual clock."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Container
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.gate.asking import basic
from tests.gate.conftest import NOWHERE, StartGate, relay_to, route
from tests.log import Log
from tests.peers.heads import request
from tests.peers.stream import Backend
from tests.relay import joined
from tests.site.test_api_keys import line
from wsgate.gate.auth.identity import NOBODY, Admitted, Identity
from wsgate.gate.auth.revocation import CODE, INTERVAL, REASON, Admissions
from wsgate.relay.session import Session
from wsgate.settings.model import ApiKeyAuth, Auth, Basic, ClientCertificateAuth, Require
from wsgate.site.auth import LiveAuth
from wsgate.site.credential import Credential
from wsgate.site.matching import Matcher
from wsgate.site.rewriting import Rewriter
from wsgate.site.route import LiveRoute
from wsgate.site.tokens.source import SourceError

Clock = trio.testing.MockClock


class Entries:
    """Counts how often it is asked."""

    def __init__(self, *entries: str) -> None:
        self.entries = entries
        self.asked = 0

    def __contains__(self, entry: object) -> bool:
        self.asked += 1
        return entry in self.entries


class List(Credential):
    def __init__(self, *entries: str) -> None:
        self.now = Entries(*entries)
        self.fault: Exception | None = None
        self.hangs = False

    async def present(self) -> Container[object]:
        if self.hangs:
            await trio.sleep_forever()
        if self.fault is not None:
            raise self.fault
        return self.now


class Noted(Session):
    """A session without legs, which notes its revocation."""

    def __init__(self, number: int, route: str) -> None:
        self.info = dataclasses.replace(joined.INFO, id=str(number), route=route)
        self.ended: list[tuple[float, int, bytes]] = []

    def revoke(self, code: int, reason: bytes, detail: str = "") -> None:
        self.ended.append((trio.current_time(), code, reason))


class Gateway:
    def __init__(self) -> None:
        self.admissions = Admissions()
        self.routes: list[LiveRoute] = []
        self.opened = 0

    def use(self, name: str, *kinds: tuple[str, Credential], require: Require = Require.ALL) -> LiveRoute:
        """Reloads: the route asks for these now."""
        settings = route(NOWHERE, name)
        live = LiveRoute(settings, Matcher(settings.match), Rewriter(settings.match, None))
        live.auth = LiveAuth(Auth(require=require), kinds, (), frozenset()) if kinds else None
        self.routes = [*(each for each in self.routes if each.name != name), live]
        return live

    def open(self, route: LiveRoute, **entries: str) -> Noted:
        admitted = Admitted([(kind, Identity(entry=entry)) for kind, entry in entries.items()])
        self.opened += 1
        session = Noted(self.opened, route.name)
        self.admissions.add(session, route, admitted)
        return session


@pytest.fixture
def clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.fixture
async def gateway(clock: trio.testing.MockClock) -> AsyncIterator[Gateway]:
    made = Gateway()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.admissions.watch, lambda: made.routes)
        yield made
        nursery.cancel_scope.cancel()


async def looks(number: int) -> None:
    await trio.sleep(INTERVAL * number + INTERVAL / 2)


async def test_a_session_ends_after_its_credential_was_gone_twice(clock: Clock, gateway: Gateway) -> None:
    keys = List("one", "two")
    it = gateway.use("a", ("api_keys", keys))
    one, two = gateway.open(it, api_keys="one"), gateway.open(it, api_keys="two")
    await looks(1)
    keys.now = Entries()  # a file that is empty while it is written
    await trio.sleep(INTERVAL)
    keys.now = Entries("one", "two")
    await trio.sleep(INTERVAL)
    assert one.ended == two.ended == []
    keys.now = Entries("two")
    await trio.sleep(INTERVAL)
    assert one.ended == []
    await trio.sleep(INTERVAL)
    assert [(code, reason) for _, code, reason in one.ended] == [(CODE, REASON)]
    assert two.ended == []


async def test_while_nothing_changes_a_session_is_looked_up_once(clock: Clock, gateway: Gateway) -> None:
    keys = List("one")
    it = gateway.use("a", ("api_keys", keys))
    gateway.open(it, api_keys="one")
    await looks(1)
    gateway.open(it, api_keys="one")
    await looks(10)
    assert keys.now.asked == 2


async def test_a_file_that_changed_before_the_session_began(clock: Clock, gateway: Gateway) -> None:
    keys = List("one")
    it = gateway.use("a", ("api_keys", keys))
    gateway.open(it, api_keys="one")
    await looks(1)
    late = gateway.open(it, api_keys="two")
    await looks(2)
    assert len(late.ended) == 1


@pytest.mark.parametrize("how", ["fault", "hangs"])
async def test_a_file_that_cannot_be_read_changes_nothing(clock: Clock, gateway: Gateway, how: str) -> None:
    broken, well = List(), List("two")
    it = gateway.use("a", ("api_keys", broken))
    other = gateway.use("b", ("api_keys", well))
    broken.fault, broken.hangs = SourceError("gone"), how == "hangs"
    session, beside = gateway.open(it, api_keys="one"), gateway.open(other, api_keys="two")
    await looks(10)
    assert session.ended == []
    well.now = Entries()
    await looks(10)
    assert len(beside.ended) == 1
    broken.fault, broken.hangs = None, False
    await looks(5)
    assert len(session.ended) == 1


async def test_what_counts_after_a_reload_is_the_route_as_it_is_now(clock: Clock, gateway: Gateway) -> None:
    both = [("basic", List("ann", "bob")), ("client_certificate", List("x"))]
    it = gateway.use("a", *both)
    ann = gateway.open(it, basic="ann", client_certificate="x")
    bob = gateway.open(it, basic="bob", client_certificate="x")
    gateway.use("a", ("basic", List("ann")), ("api_keys", List()))  # no certificate any more, but a key, of new ones
    await looks(3)
    assert ann.ended == []
    assert len(bob.ended) == 1
    gateway.use("a")  # nothing is asked for any more
    await looks(3)
    assert ann.ended == []
    gateway.use("a", ("api_keys", List("ann")))  # something else is
    await looks(3)
    assert len(ann.ended) == 1


async def test_the_sessions_of_a_route_that_is_gone_go_on_while_they_are_valid(clock: Clock, gateway: Gateway) -> None:
    keys = List("one")
    session = gateway.open(gateway.use("a", ("api_keys", keys)), api_keys="one")
    gateway.routes = []
    await looks(3)
    assert session.ended == []
    keys.now = Entries()
    await looks(3)
    assert len(session.ended) == 1


async def test_any_credential_that_is_left_will_do(clock: Clock, gateway: Gateway) -> None:
    basic, keys = List("ann"), List("one")
    it = gateway.use("a", ("basic", basic), ("api_keys", keys), require=Require.ANY)
    session = gateway.open(it, basic="ann", api_keys="one")
    keys.now = Entries()
    await looks(3)
    assert session.ended == []
    basic.now = Entries()
    await looks(3)
    assert len(session.ended) == 1


async def test_sessions_that_have_ended_leave_nothing(clock: Clock, gateway: Gateway) -> None:
    it = gateway.use("a", ("api_keys", List("one")))
    first = gateway.open(it, api_keys="one")
    gateway.admissions.remove(gateway.open(it, api_keys="one"))
    gateway.admissions.remove(first)
    assert gateway.admissions._groups == {}
    gateway.admissions.remove(first)
    gateway.admissions.add(first, it, NOBODY)
    gateway.admissions.add(first, it, Admitted([("jwt", Identity("ann"))]))
    assert gateway.admissions._groups == {}


async def test_thousands_at_once(clock: Clock, gateway: Gateway) -> None:
    keys = List("one")
    it = gateway.use("a", ("api_keys", keys))
    sessions = [gateway.open(it, api_keys="one") for _ in range(1000)]
    keys.now = Entries()
    await looks(3)
    assert [len(session.ended) for session in sessions] == [1] * 1000


# -- with real files and legs ------------------------------------------------------------------------------------------


async def test_the_close_and_the_log(
    start_gate: StartGate, backend: Backend, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsgate.gate.auth.revocation.INTERVAL", 0.01)
    keys, users = tmp_path / "keys", tmp_path / "users"
    keys.write_text(line("meter", "one"))
    users.write_text("ann:{PLAIN}sesame\n")
    either = Auth(
        basic=Basic(users=("bob:{PLAIN}x",), file=str(users)),
        api_keys=ApiKeyAuth(file=str(keys)),
        client_certificate=ClientCertificateAuth(),
        require=Require.ANY,
    )
    gate = start_gate(route(relay_to(backend.port), auth=either))
    gate.connections.start_soon(gate.gateway.admissions.watch, lambda: gate.gateway.site.routes)
    shown = [{"X-Api-Key": "one"}, {"Authorization": basic("ann:sesame")}, {"Authorization": basic("bob:x")}]
    clients = []
    for headers in shown:
        clients.append(gate.connect())
        await clients[-1].write(request(headers=headers))
        server = await backend.accept_request()
        await server.accept_upgrade()
        assert (await clients[-1].read_head()).status == 101
    keys.write_text(line("meter", "two"))
    assert await clients[0].receive_close() == (1008, "credential revoked")
    users.write_text("eve:{PLAIN}sesame\n")
    assert await clients[1].receive_close() == (1008, "credential revoked")
    assert len(gate.gateway.admissions._groups["it"].sessions) >= 1
    assert "sesame" not in str(log.records)
