from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.log import Log
from wsgate.events.trouble import REPEAT, Trouble


async def test_it_is_said_when_it_begins_and_when_it_ends(log: Log, autojump_clock: MockClock) -> None:
    trouble = Trouble("backend failed", "backend well again", route="chat")
    trouble.end()
    trouble.begin("refused")
    trouble.begin("refused")
    trouble.end()
    trouble.end()
    assert log.events() == ["backend failed", "backend well again"]


async def test_what_comes_and_goes_fills_no_log(log: Log, autojump_clock: MockClock) -> None:
    trouble = Trouble("backend failed", "backend well again", route="chat")
    for _ in range(100):
        trouble.begin("refused")
        trouble.end()
    assert log.events() == ["backend failed", "backend well again"]
    await trio.sleep(REPEAT)
    trouble.begin("refused")
    assert log.events() == ["backend failed", "backend well again", "backend failed"]
