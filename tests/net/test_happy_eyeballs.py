"""Happy happy_eyeballs over real sockets; what cannot be had for the asking (two answers at once) over socket pairs."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.descriptors import descriptors
from tests.limits import no_descriptors
from wsgate.net import happy_eyeballs
from wsgate.net.happy_eyeballs import STAGGER, SocketAddress, connect_to_any, interleave, start_connecting

V4, V6 = socket.AF_INET, socket.AF_INET6
needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")

Listen = Callable[..., socket.socket]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """``listen(host, silent=False)``: one that is silent has a full backlog, so the kernel drops what else comes."""
    with ExitStack() as stack:

        def listen(host: str = "127.0.0.1", *, silent: bool = False) -> socket.socket:
            listener = stack.enter_context(socket.socket(V6 if ":" in host else V4))
            listener.bind((host, 0))
            listener.listen(0 if silent else 5)
            if silent:
                stack.enter_context(socket.create_connection(listener.getsockname()[:2]))
            listener.setblocking(False)
            return listener

        yield listen


def at(listener: socket.socket) -> SocketAddress:
    return listener.family, listener.getsockname()


def refusing(listen: Listen, host: str = "127.0.0.1") -> SocketAddress:
    listener = listen(host)
    with listener:
        return at(listener)


async def check(addresses: Sequence[SocketAddress], expected: socket.socket) -> float:
    """Which one it is connected to, that nothing else is left open, and after how long."""
    before, began = descriptors(), trio.current_time()
    sock = await connect_to_any(addresses)
    took = trio.current_time() - began
    with sock:
        assert sock.getpeername() == expected.getsockname()
        assert not sock.getblocking()
        assert len(descriptors() - before) == 1
    assert descriptors() == before
    return took


@needs_ipv6
@pytest.mark.parametrize(("good", "bad"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
async def test_one_family_is_silent(listen: Listen, good: str, bad: str, autojump_clock: MockClock) -> None:
    answering, silent = listen(good), listen(bad, silent=True)
    assert await check([at(silent), at(answering)], answering) == STAGGER
    assert await check([at(answering), at(silent)], answering) == 0


async def test_those_that_refuse_take_no_time(listen: Listen, autojump_clock: MockClock) -> None:
    answering = listen()
    assert await check([refusing(listen), refusing(listen), at(answering)], answering) == 0


async def test_a_family_that_the_machine_does_not_have(listen: Listen, autojump_clock: MockClock) -> None:
    answering = listen()
    assert await check([(socket.AF_APPLETALK, ("::1", 1)), at(answering)], answering) == 0


async def test_many_that_are_silent(listen: Listen, autojump_clock: MockClock) -> None:
    """They go on waiting beside the others."""
    answering = listen()
    silent = [at(listen(silent=True)) for _ in range(3)]
    assert await check([*silent, at(answering)], answering) == 3 * STAGGER


async def test_the_first_may_still_win(
    listen: Listen, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, silent = listen(), listen(silent=True)
    connect_to = happy_eyeballs.connect_to

    async def slowly(family: socket.AddressFamily, where: Any) -> socket.socket:
        if where == slow.getsockname():
            await trio.sleep(1.5 * STAGGER)
        return await connect_to(family, where)

    monkeypatch.setattr(happy_eyeballs, "connect_to", slowly)
    assert await check([at(slow), at(silent)], slow) == 1.5 * STAGGER


async def test_none_answers(listen: Listen) -> None:
    """Each reason once."""
    before = descriptors()
    with pytest.raises(OSError, match="Connection refused") as caught:
        await connect_to_any([refusing(listen), refusing(listen)])
    assert (caught.value.errno, caught.value.strerror) == (errno.ECONNREFUSED, "Connection refused")
    with pytest.raises(OSError, match="Address family not supported by protocol, Connection refused") as caught:
        await connect_to_any([(socket.AF_APPLETALK, ("::1", 1)), refusing(listen)])
    assert caught.value.errno == errno.ECONNREFUSED
    assert descriptors() == before


async def test_our_own_lack_of_room_is_what_counts(listen: Listen) -> None:
    addresses = [at(listen()), at(listen())]
    with no_descriptors(), pytest.raises(OSError, match="Too many open files") as caught:
        await connect_to_any(addresses)
    assert caught.value.errno == errno.EMFILE


async def test_cancelled_while_it_waits(listen: Listen, autojump_clock: MockClock) -> None:
    silent = [at(listen(silent=True)) for _ in range(3)]
    before = descriptors()
    with trio.move_on_after(5 * STAGGER) as scope:
        await connect_to_any(silent)
    assert scope.cancelled_caught
    assert descriptors() == before


class Race:
    """Connections that are all made when ``start`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start = trio.Event()
        self.made: list[socket.socket] = []
        monkeypatch.setattr(happy_eyeballs, "connect_to", self._connect_to)

    async def _connect_to(self, family: socket.AddressFamily, where: Any) -> socket.socket:
        await self.start.wait()
        sock, other = socket.socketpair()
        other.close()
        self.made.append(sock)
        return sock


ANY: list[SocketAddress] = [(V4, ("192.0.2.1", 1)), (V4, ("192.0.2.2", 1))]


async def test_two_answer_in_the_same_moment(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    race = Race(monkeypatch)
    async with trio.open_nursery() as nursery:

        async def connect() -> None:
            sock = await connect_to_any(ANY)
            assert sock is race.made[0]
            assert [made.fileno() == -1 for made in race.made] == [False, True]
            sock.close()

        nursery.start_soon(connect)
        await trio.sleep(1.5 * STAGGER)
        race.start.set()


async def test_cancelled_in_the_moment_of_the_answer(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    race = Race(monkeypatch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect_to_any, ANY)
        await trio.sleep(1.5 * STAGGER)
        race.start.set()
        nursery.cancel_scope.cancel()
    assert [made.fileno() for made in race.made] == [-1, -1]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a", "a"),
        ("ab", "ab"),
        ("aB", "aB"),
        ("abcD", "aDbc"),
        ("ABcd", "AcBd"),
        ("abCDE", "aCbDE"),
        ("aabB", "aBb"),
    ],
)
def test_families_take_turns(given: str, expected: str) -> None:
    """Small letters are IPv4's."""

    def addresses(letters: str) -> list[SocketAddress]:
        return [(V6 if letter.isupper() else V4, letter) for letter in letters]

    assert interleave(addresses(given)) == addresses(expected)


def test_on_this_machine_it_is_connected_at_once(listen: Listen) -> None:
    sock, connected = start_connecting(*at(listen()))
    with sock:
        assert connected
        assert not sock.getblocking()
    sock, connected = start_connecting(*at(listen(silent=True)))
    sock.close()
    assert not connected
    with pytest.raises(ConnectionRefusedError):
        start_connecting(*refusing(listen))
