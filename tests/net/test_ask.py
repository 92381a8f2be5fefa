"""A question over a connection, and the ends that it may have."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.sockets import reset, tcp_pair
from wsgate.net.ask import ask, ask_within
from wsgate.net.plain import PlainTransport, take_over
from wsgate.net.timed_waits import TimedWaits


class Asked:
    """A question whose answer is three bytes."""

    request = b"what?"

    def __init__(self) -> None:
        self.received = b""

    def receive(self, data: bytes) -> str | None:
        self.received += data
        if not data:
            return "the end"
        return self.received.decode() if len(self.received) >= 3 else None

    def lost(self, why: str) -> str:
        return f"lost after {self.received!r}: {why}"


async def ask_for_a_second(transport: PlainTransport, question: Asked) -> str | None:
    return await ask_within(transport, question, 1, TimedWaits(0.1))


@pytest.mark.parametrize("ask", [ask, ask_for_a_second])
@pytest.mark.parametrize(
    ("do", "found"),
    [
        (lambda peer: peer.sendall(b"bc"), "abc"),
        (lambda peer: peer.shutdown(socket.SHUT_WR), "the end"),
        (reset, "lost after b'a': the connection was lost: Connection reset by peer"),
    ],
)
async def test_an_answer_and_the_ends_of_a_connection(
    ask: Callable[[PlainTransport, Asked], Awaitable[str]], do: Callable[[socket.socket], object], found: str
) -> None:
    ours, peer = tcp_pair()
    answers: list[str] = []

    async def run(transport: PlainTransport) -> None:
        answers.append(await ask(transport, Asked()))

    with peer, take_over(ours) as transport:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, transport)
            await trio.testing.wait_all_tasks_blocked()
            assert peer.recv(5) == b"what?"
            peer.sendall(b"a")
            await trio.testing.wait_all_tasks_blocked()
            do(peer)
    assert answers == [found]


@pytest.mark.parametrize("seconds", [0.05, 1])
async def test_an_answer_that_does_not_come_in_time(autojump_clock: MockClock, seconds: float) -> None:
    ours, peer = tcp_pair()
    with peer, take_over(ours) as transport:
        began = trio.current_time()
        assert await ask_within(transport, Asked(), seconds, TimedWaits(0.1)) is None
        assert trio.current_time() - began == pytest.approx(seconds)
        assert peer.recv(5) == b"what?"


async def test_an_answer_that_comes_late_but_in_time(autojump_clock: MockClock) -> None:
    ours, peer = tcp_pair()

    async def answer() -> None:
        await trio.sleep(0.5)
        peer.sendall(b"abc")

    with peer, take_over(ours) as transport:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            assert await ask_for_a_second(transport, Asked()) == "abc"


async def test_a_connection_that_is_lost_before_the_question() -> None:
    ours, peer = tcp_pair()
    reset(peer)
    with take_over(ours) as transport:
        with pytest.raises(ConnectionResetError):
            transport.recv(1)
        assert await ask_for_a_second(transport, Asked()) == "the end"


async def test_a_question_that_the_socket_does_not_take_at_once() -> None:
    ours, peer = tcp_pair()
    question = Asked()
    question.request = b"x" * (16 << 20)

    def answer() -> None:
        peer.setblocking(True)
        left = len(question.request)
        while left:
            left -= len(peer.recv(1 << 20))
        peer.sendall(b"abc")

    with peer, take_over(ours) as transport:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, answer)
            assert await ask_within(transport, question, 30, TimedWaits(0.1)) == "abc"
