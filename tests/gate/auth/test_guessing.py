from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.gate.conftest import NOWHERE, exchange_for, route
from wsgate.gate.auth.guessing import busy_refusal, delay, source_of
from wsgate.site.hashing import FREE, hashing


def test_whom_wrong_ones_are_counted_for() -> None:
    exchange = exchange_for(route(NOWHERE))
    assert source_of(exchange) == "192.0.2.7"
    exchange.client.chain = ("2001:db8:1:2:3::4",)
    assert source_of(exchange) == "2001:db8:1:2::/64"
    exchange.client.chain = ()
    assert source_of(exchange) == "unix"


async def test_only_those_who_have_guessed_wait(autojump_clock: trio.testing.MockClock) -> None:
    gateway = exchange_for(route(NOWHERE)).gateway
    assert not await delay(gateway, "192.0.2.66")
    for _ in range(FREE + 1):
        hashing().was_wrong("192.0.2.66")
    began = trio.current_time()
    assert await delay(gateway, "192.0.2.66")
    assert trio.current_time() > began
    assert not await delay(gateway, "192.0.2.67")


@pytest.mark.parametrize("what", ["passwords", "keys"])
def test_too_many_at_once(what: str) -> None:
    assert busy_refusal(what).reason == f"too many {what} are tried from here: try again"
