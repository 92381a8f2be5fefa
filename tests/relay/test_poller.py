"""Both pollers keep the same promises."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from wsgate.relay.poller import READABLE, WRITABLE, EpollPoller, Poller, ThreadPoller, make_poller


@pytest.fixture(params=[EpollPoller, ThreadPoller])
def poller(request: pytest.FixtureRequest) -> Poller:
    made: Poller = request.param()
    return made


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


Pair = tuple[socket.socket, socket.socket]


async def test_reports_what_is_wanted_and_ready(poller: Poller, pair: Pair) -> None:
    one, other = pair
    poller.register(one.fileno(), READABLE)
    assert poller.poll() == []
    other.send(b"x")
    with trio.fail_after(5):
        await poller.wait()
    assert poller.poll() == [(one.fileno(), READABLE)]
    assert poller.poll() == [(one.fileno(), READABLE)]  # level-triggered: until it is read
    poller.modify(one.fileno(), READABLE | WRITABLE)
    assert poller.poll() == [(one.fileno(), READABLE | WRITABLE)]
    poller.unregister(one.fileno())
    assert poller.poll() == []
    poller.close()


async def test_a_wait_sees_what_is_registered_during_it(poller: Poller, pair: Pair) -> None:
    one, other = pair
    other.send(b"x")
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def wait_until_there_is_something() -> None:
                while not poller.poll():
                    await poller.wait()
                nursery.cancel_scope.cancel()

            await trio.testing.wait_all_tasks_blocked()
            poller.register(one.fileno(), READABLE)
            await trio.sleep_forever()
    poller.unregister(one.fileno())
    poller.close()


async def test_a_wait_ends_when_it_is_woken(poller: Poller) -> None:
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poller.wait)
            await trio.testing.wait_all_tasks_blocked()
            poller.wake()
    poller.close()


async def test_a_cancelled_wait_leaves_no_thread_waiting(poller: Poller) -> None:
    with trio.move_on_after(0):
        await poller.wait()
    poller.close()
    with trio.fail_after(5):
        await trio.testing.wait_all_threads_completed()


async def test_more_wake_ups_than_the_socket_holds_are_no_error(pair: Pair) -> None:
    poller = ThreadPoller()
    for _ in range(50_000):
        poller.register(pair[0].fileno(), READABLE)
    assert poller.poll() == []
    poller.close()


def test_linux_gets_epoll() -> None:
    poller = make_poller()
    assert isinstance(poller, EpollPoller)
    poller._epoll.close()
