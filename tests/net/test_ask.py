"""A question over a connection, and the ends that it may have."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
import trio
import trio.testing

from tests.peers.sockets import reset, tcp_pair
from wsgate.net.ask import ask
from wsgate.net.plain import PlainTransport, take_over


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


@pytest.mark.parametrize(
    ("do", "found"),
    [
        (lambda peer: peer.sendall(b"bc"), "abc"),
        (lambda peer: peer.shutdown(socket.SHUT_WR), "the end"),
        (reset, "lost after b'a': the connection was lost: Connection reset by peer"),
    ],
)
async def test_an_answer_and_the_ends_of_a_connection(do: Callable[[socket.socket], object], found: str) -> None:
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
