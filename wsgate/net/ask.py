"""Asks a peer one question over HTTP, and waits for the answer."""

from __future__ import annotations

from typing import Protocol, TypeVar

import trio

from wsgate.net.io import READ_SIZE, receive_or_raise, send_all, send_at_once
from wsgate.net.timed_waits import TimedWaits
from wsgate.net.tls.handshake import explain
from wsgate.net.transport import BLOCKED, Transport

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
    return await _answer(transport, question)


async def ask_within(transport: Transport, question: Question[T], seconds: float, soon: TimedWaits) -> T | None:
    """Sends the request. Returns the answer; ``None`` if it has not come after ``seconds``.

    soon: an answer that comes so soon, as nearly all do, costs no cancel scope
    """
    deadline = trio.current_time() + seconds
    request = question.request
    left = len(request) - send_at_once(transport, request)
    if not left and soon.seconds < seconds and await soon.wait_readable(transport):
        answer = _receive(transport, question)
        if answer is not None:
            return answer
    with trio.CancelScope(deadline=deadline):
        await send_all(transport, request[len(request) - left :])
        return await _answer(transport, question)
    return None


def _receive(transport: Transport, question: Question[T]) -> T | None:
    """Reads once, without waiting. Returns the answer if it is complete."""
    try:
        return question.receive(transport.recv(READ_SIZE))
    except BLOCKED:  # the beginning of a TLS record
        return None
    except OSError as error:
        return question.lost(explain(error))


async def _answer(transport: Transport, question: Question[T]) -> T:
    while True:
        try:
            answer = question.receive(await receive_or_raise(transport))
        except OSError as error:  # with TLS 1.3 a peer rejects our certificate only now
            return question.lost(explain(error))
        if answer is not None:
            return answer
