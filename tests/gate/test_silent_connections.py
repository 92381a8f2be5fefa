"""Connections that owe their request: how many an address may have, and which go first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from wsgate.gate.silent_connections import GRACE, SilentConnections


@dataclass
class Crowd:
    """Silent connections, by their names, which begin with their address."""

    connections: SilentConnections = field(default_factory=SilentConnections)
    scopes: dict[str, trio.CancelScope] = field(default_factory=dict)
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def add(self, *names: str) -> None:
        for name in names:
            scope = self.scopes[name] = trio.CancelScope()
            address = None if name.startswith("-") else name[0]
            self.stack.enter_context(self.connections.waiting(scope, address))

    @property
    def ended(self) -> str:
        return " ".join(name for name, scope in self.scopes.items() if scope.cancel_called)


@pytest.fixture
def crowd(autojump_clock: MockClock) -> Iterator[Crowd]:
    crowd = Crowd()
    yield crowd
    with crowd.stack:
        pass
    assert len(crowd.connections) == 0
    assert not crowd.connections._by_address


async def test_the_address_with_the_most_makes_room(crowd: Crowd) -> None:
    crowd.add("a1", "b1", "b2", "b3", "c1", "c2")
    await trio.sleep(GRACE)
    assert crowd.connections.end(1) == 1
    assert crowd.ended == "b1"
    assert crowd.connections.end(2) == 2
    assert crowd.ended == "b1 b2 c1"
    assert crowd.connections.end(9) == 3
    assert crowd.connections.end(9) == 0


async def test_of_those_with_as_many_the_oldest(crowd: Crowd) -> None:
    crowd.add("a1")
    await trio.sleep(1)
    crowd.add("b1", "-1")
    await trio.sleep(1)
    crowd.add("-2", "c1")
    await trio.sleep(1)
    assert crowd.connections.end(2) == 2
    assert crowd.ended == "a1 b1"
    crowd.add("d1", "d2")  # too young, though there are two of them
    assert crowd.connections.end(2) == 2
    assert crowd.ended == "a1 b1 -1 -2"


async def test_who_has_spoken_is_not_ended(crowd: Crowd) -> None:
    scope = trio.CancelScope()
    with crowd.connections.waiting(scope, "a"):
        await trio.sleep(1)
    assert crowd.connections.end(1) == 0
    assert crowd.connections.make_room("a", 1) == (True, 0)


async def test_an_address_makes_room_for_its_own(crowd: Crowd) -> None:
    crowd.add("a1", "a2", "b1")
    assert crowd.connections.make_room("a", 3) == (True, 0)
    assert crowd.connections.make_room("a", 2) == (False, 0)  # both have just come
    await trio.sleep(GRACE)
    crowd.add("a3")
    assert crowd.connections.make_room("a", 2) == (True, 2)  # as few as there may be, with the next
    assert crowd.ended == "a1 a2"
    crowd.add("a4")
    assert crowd.connections.make_room("a", 2) == (False, 0)
    assert crowd.ended == "a1 a2"
