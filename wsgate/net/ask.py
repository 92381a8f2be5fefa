"""Asks a peer one question over HTTP, and waits for the answer."""

from __future__ import annotations

from typing import Protocol, TypeVar

from wsgate.net.io import receive_or_raise, send_all
from wsgate.net.tls.handshake import explain
from wsgate.net.transport import Transport

T = TypeVar("T", covariant=True)


class Question(Protocol[T]):
    """A request and how its answer is read: those of ``wire``.

    request: the bytes to send
    """

    request: bytes

    def receive(self, data: bytes) -> T | None:
        """Returns the answer if ``data`` completes it, else ``None``; ``b""`` is the connection's regular end."""
        ...

    def lost(self, why: str) -> T:
        """Returns what is made of the answer when the connection is lost. ``why``: for the log"""
        ...


async def ask(transport: Transport, question: Question[T]) -> T:
    """Sends the request and returns the answer. The caller bounds the time."""
    await send_all(transport, question.request)  # if the peer is gone, reading tells why
    while True:
        try:
            answer = question.receive(await receive_or_raise(transport))
        except OSError as error:  # with TLS 1.3 a peer rejects our certificate only now
            return question.lost(explain(error))
        if answer is not None:
            return answer
