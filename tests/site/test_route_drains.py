"""The names of draining routes, and how a worker learns those of the others."""

from __future__ import annotations

import pytest
import trio

from wsgate.site.route_drains import RouteDrains
from wsgate.site.shared_table import SharedTable


async def test_whoever_waits_learns_of_each_change() -> None:
    drains = RouteDrains()
    for change in (drains.begin, drains.end):
        changed = drains.changed
        change("chat")
        with trio.fail_after(1):
            await changed.wait()
        assert not drains.changed.is_set()
    assert "chat" not in drains


def test_one_that_replaces_a_dead_worker_takes_over() -> None:
    one, two = (RouteDrains(table) for table in SharedTable(2).rows)
    one.begin("chat")
    one.begin("app")
    two.begin("chat")
    one.end("app")
    two.end("chat")
    replacement = RouteDrains(SharedTable(2).rows[1])
    replacement.take_over(["chat", "app"])
    assert replacement.routes == set()
    two.take_over(["chat", "app", "other"])
    assert two.routes == {"chat"}


@pytest.mark.parametrize("workers", [1, 2])
def test_without_any_drain(workers: int) -> None:
    drains = RouteDrains(None if workers == 1 else SharedTable(workers).rows[0])
    drains.take_over(["chat"])
    assert drains.routes == set()
