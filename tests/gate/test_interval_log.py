"""Lines of sessions that are open for long, on a virtual clock."""

from __future__ import annotations

from dataclasses import replace

import trio
from trio.testing import MockClock

from tests.gate.conftest import NOWHERE, gateway_of, route
from tests.log import Log
from tests.relay import joined
from wsgate.gate import interval_log
from wsgate.gate.gateway import Gateway
from wsgate.relay.closing import Cause
from wsgate.relay.outcome import Outcome
from wsgate.relay.session import Session
from wsgate.settings.model import Log as LogSettings
from wsgate.site.build import build


class OpenSession(Session):
    """One that nothing moves in."""

    def __init__(self, id: str) -> None:
        self.info = replace(joined.INFO, id=id, since=trio.current_time())

    def outcome(self) -> Outcome:
        return Outcome(Cause.CUT, None, "", None, None, 0, 0, 0, 0, None, None)


def begin(gateway: Gateway, *ids: str) -> None:
    for id in ids:
        gateway.sessions.add(OpenSession(id))


def seen(log: Log) -> list[tuple[str, float]]:
    return [(line["id"], line["duration"]) for line in log.all("still open")]


async def test_each_session_has_a_line_in_each_interval(
    nursery: trio.Nursery, log: Log, autojump_clock: MockClock
) -> None:
    """From its first interval on; the lines are spread over the interval."""
    gateway = gateway_of(route(NOWHERE), log=LogSettings(interval=3.0))
    begin(gateway, "1", "2", "3")
    nursery.start_soon(interval_log.watch, gateway)
    await trio.sleep(2.5)
    assert seen(log) == []
    await trio.sleep(6)
    found = seen(log)
    assert [id for id, _ in found] == ["3", "1", "2", "3", "1", "2"]
    assert [round(duration) for _, duration in found] == [3, 4, 5, 6, 7, 8]
    line = log.all("still open")[0]
    assert (line["messages_up"], line["bytes_down"], line["route"]) == (0, 0, "it")
    assert "ended_by" not in line


async def test_a_reload_changes_it_and_ends_it(nursery: trio.Nursery, log: Log, autojump_clock: MockClock) -> None:
    gateway = gateway_of(route(NOWHERE))
    begin(gateway, "1")
    nursery.start_soon(interval_log.watch, gateway)
    await trio.sleep(2.5)
    assert seen(log) == []
    settings = gateway.settings
    counts = []
    for interval in (3600.0, 1.0, None, None):
        gateway.use_site(build(replace(settings, log=LogSettings(interval=interval)), gateway.site))
        await trio.sleep(4.5)
        counts.append(len(seen(log)))
    assert counts[0] == 0
    assert 3 <= counts[1] == counts[2] == counts[3] <= 5


async def test_a_session_that_has_ended_has_none(nursery: trio.Nursery, log: Log, autojump_clock: MockClock) -> None:
    gateway = gateway_of(route(NOWHERE), log=LogSettings(interval=2.0))
    begin(gateway, "1", "2")
    nursery.start_soon(interval_log.watch, gateway)
    await trio.sleep(2.5)
    (gone,) = [session for session in gateway.sessions if session.id == "2"]
    gateway.sessions.remove(gone)
    await trio.sleep(2)
    assert [id for id, _ in seen(log)] == ["2", "1"]
