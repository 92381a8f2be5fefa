"""The shared state of all connections. The tests of sessions cover what a drain sends."""

from __future__ import annotations

import trio
import trio.testing

from tests.gate.conftest import gateway_of


def test_nothing_is_shared_between_two() -> None:
    first, second = (gateway_of() for _ in range(2))
    first.idle.add(trio.CancelScope())
    assert (second.idle, second.pump.legs) == (set(), 0)
    assert first.pump is not second.pump


async def test_a_drain_wakes_who_has_asked_for_nothing() -> None:
    """Also if waking them changes the set during the iteration."""
    gateway = gateway_of()
    assert not gateway.draining

    async def wait() -> None:
        with trio.CancelScope() as scope:
            gateway.idle.add(scope)
            try:
                await trio.sleep_forever()
            finally:
                gateway.idle.discard(scope)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        gateway.stop_accepting()
    assert gateway.draining
    assert gateway.idle == set()
