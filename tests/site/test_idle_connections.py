from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.peers.sockets import reset, tcp_pair
from wsgate.net.plain import PlainTransport, take_over
from wsgate.site.idle_connections import MAX_AGE, MOST, IdleConnections


class Backend:
    """The far ends of connections, by their near ones."""

    def __init__(self) -> None:
        self.ends: dict[PlainTransport, socket.socket] = {}

    def open(self) -> PlainTransport:
        near, far = tcp_pair()
        transport = take_over(near)
        self.ends[transport] = far
        return transport

    def close(self) -> None:
        for near, far in self.ends.items():
            near.close()
            far.close()


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    yield backend
    backend.close()


async def test_the_one_that_was_used_last_comes_first(backend: Backend) -> None:
    idle = IdleConnections()
    first, last = backend.open(), backend.open()
    idle.put(first)
    idle.put(last)
    assert (idle.take(), idle.take(), idle.take()) == (last, first, None)


async def test_those_that_the_backend_ended_are_not_used(backend: Backend) -> None:
    idle = IdleConnections()
    good, ended, broken, talking = (backend.open() for _ in range(4))
    for each in (good, ended, broken, talking):
        idle.put(each)
    backend.ends[ended].close()
    reset(backend.ends[broken])
    backend.ends[broken].close()
    backend.ends[talking].sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    await trio.lowlevel.wait_readable(talking)
    assert idle.take() is good
    assert [each.fileno() for each in (ended, broken, talking)] == [-1, -1, -1]


async def test_there_is_a_bound(backend: Backend) -> None:
    idle = IdleConnections()
    for _ in range(MOST):
        idle.put(backend.open())
    more = backend.open()
    idle.put(more)
    assert more.fileno() == -1
    assert len(idle) == MOST


async def test_an_old_one_is_closed_without_being_asked_for(backend: Backend, autojump_clock: MockClock) -> None:
    idle = IdleConnections()
    old, young = backend.open(), backend.open()
    idle.put(old)
    await trio.sleep(MAX_AGE - 1)
    idle.put(young)
    await trio.sleep(2)
    assert old.fileno() == -1
    assert len(idle) == 1
    await trio.sleep(MAX_AGE)
    assert young.fileno() == -1
    again = backend.open()
    idle.put(again)
    await trio.sleep(MAX_AGE + 1)
    assert again.fileno() == -1


async def test_a_request_may_ask_for_a_young_one(backend: Backend, autojump_clock: MockClock) -> None:
    idle = IdleConnections()
    idle.put(backend.open())
    await trio.sleep(5)
    assert idle.take(4) is None
    assert idle.take(6) is not None


async def test_after_the_route_is_gone_none_is_kept(backend: Backend) -> None:
    idle = IdleConnections()
    before, after = backend.open(), backend.open()
    idle.put(before)
    await wait_all_tasks_blocked()
    idle.close()
    idle.put(after)
    assert (before.fileno(), after.fileno(), len(idle)) == (-1, -1, 0)


def test_the_end_of_the_process_closes_all(backend: Backend) -> None:
    idle = IdleConnections()
    kept = backend.open()

    async def main() -> None:
        idle.put(kept)
        await wait_all_tasks_blocked()

    trio.run(main)
    assert kept.fileno() == -1


async def test_a_backend_that_comes_back(backend: Backend) -> None:
    idle = IdleConnections()
    idle.close()
    idle.open()
    kept = backend.open()
    idle.put(kept)
    assert idle.take() is kept
