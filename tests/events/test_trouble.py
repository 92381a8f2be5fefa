from __future__ import annotations

import trio
import trio.testing

from tests.log import Log
from wsgate.events.trouble import REPEAT, BackendTroubles, Trouble


async def test_it_is_said_when_it_begins_and_when_it_ends(log: Log, autojump_clock: trio.testing.MockClock) -> None:
    trouble = Trouble("backend failed", "backend well again", route="chat")
    trouble.end()
    trouble.begin("refused")
    trouble.begin("refused")
    trouble.end()
    trouble.end()
    assert log.events() == ["backend failed", "backend well again"]


async def test_what_comes_and_goes_fills_no_log(log: Log, autojump_clock: trio.testing.MockClock) -> None:
    trouble = Trouble("backend failed", "backend well again", route="chat")
    for _ in range(100):
        trouble.begin("refused")
        trouble.end()
    assert log.events() == ["backend failed", "backend well again"]
    await trio.sleep(REPEAT)
    trouble.begin("refused")
    assert log.events() == ["backend failed", "backend well again", "backend failed"]


async def test_each_backend_of_each_route_is_its_own(log: Log) -> None:
    troubles = BackendTroubles()
    for route, backend in [("a", "tcp://one"), ("a", "tcp://two"), ("b", "tcp://one"), ("a", "tcp://one")]:
        troubles.note(route, backend, "refused")
    troubles.note("a", "tcp://two", None)
    troubles.note("c", "tcp://one", None)
    assert log.events() == ["backend failed"] * 3 + ["backend well again"]
    assert log.one("backend well again") == {"route": "a", "backend": "tcp://two"}
    troubles.forget()
    troubles.note("a", "tcp://one", None)
    assert len(log.events()) == 4
