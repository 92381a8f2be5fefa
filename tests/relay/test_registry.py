from __future__ import annotations

import dataclasses

import trio
import trio.testing

from tests.relay import joined
from wsgate.relay.registry import Registry, worker_of
from wsgate.relay.session import Session


class Named(Session):
    """A session without legs."""

    def __init__(self, id: str, registry: Registry | None = None) -> None:
        self.info = dataclasses.replace(joined.INFO, id=id)
        self.registry = registry

    def cut(self) -> None:
        assert self.registry is not None
        self.registry.remove(self)


def test_ids_are_short_and_never_the_same() -> None:
    registry = Registry()
    ids = [registry.next_id() for _ in range(20)]
    assert ids[:2] == ["1", "2"]
    assert ids[15:17] == ["10", "11"]
    assert len(set(ids)) == 20


def test_a_workers_ids_are_no_other_workers() -> None:
    assert [Registry(worker).next_id() for worker in (1, 2)] == ["1-1", "2-1"]


def test_what_is_open() -> None:
    registry = Registry()
    one, other = Named("1"), Named("2")
    registry.add(one)
    registry.add(other)
    assert (len(registry), list(registry), registry.get("2")) == (2, [one, other], other)
    for session in registry:  # a session that is drained may end at once
        registry.remove(session)
    assert (len(registry), registry.opened, registry.get("2")) == (0, 2, None)


def test_whose_id_it_is() -> None:
    ids = {Registry(12).next_id(): 12, "1-ff": 1, "1f": 0, "-1": 0, "": 0, "x-1": 0, "²-1": 0, "123456-1": 0}
    assert {id: worker_of(id) for id in ids} == ids


async def test_its_owner_waits_for_the_last_one() -> None:
    registry = Registry()
    sessions = [Named(str(number), registry) for number in range(3)]
    over = trio.Event()

    async def own() -> None:
        async with registry.owned():
            for session in sessions:
                registry.add(session)
        over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(own)
        await trio.testing.wait_all_tasks_blocked()
        for session in sessions:
            assert not over.is_set()
            registry.remove(session)
            await trio.testing.wait_all_tasks_blocked()
        assert over.is_set()


async def test_its_owner_waits_for_nobody_if_there_is_nobody() -> None:
    registry = Registry()
    async with registry.owned():
        pass
    assert len(registry) == 0


async def test_when_its_owner_is_cancelled_all_are_cut() -> None:
    """Whether it waits for their ends or works still."""
    for works in (True, False):
        registry = Registry()
        async with registry.owned() as scope:
            for number in range(3):
                registry.add(Named(str(number), registry))
            assert not registry.is_cut
            scope.cancel()
            if works:
                await trio.sleep_forever()
        assert (len(registry), registry.is_cut) == (0, True)
