"""Questions to the serving processes: within one process, or over a Unix socket to each worker.

The parent of workers opens the sockets before it forks, so a worker that replaces a dead one listens at the same place,
and the admin process needs no message from the parent. The sockets have names of the kernel's choice that no file has
(unix(7), autobind), and take only processes of the same user.

A question and its answer are JSON, each up to the end of its direction of the connection.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import trio

from wsgate.gate.gateway import Gateway
from wsgate.ops.admin.questions import Plain, answer

ASK_TIME = 2.0  # seconds for a worker to answer
MOST_BYTES = 64 << 20  # of a question or an answer
_PIECE = 64 << 10  # bytes of a read
_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid
_log = logging.getLogger("wsgate")


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of all processes that gave one.

    missing: the numbers of the workers that gave none in time
    """

    found: Sequence[Plain]
    missing: Sequence[int] = ()


class Ask(Protocol):
    """Asks all serving processes the same question."""

    async def __call__(self, question: Plain) -> Answers: ...


def ask_here(gateway: Gateway) -> Ask:
    """Returns a function that asks this process."""

    async def ask(question: Plain) -> Answers:
        return Answers([await answer(gateway, question)])

    return ask


def ask_workers(listeners: Sequence[socket.socket]) -> Ask:
    """Returns a function that asks every worker. ``listeners``: of the workers, in their order"""
    addresses = [listener.getsockname() for listener in listeners]

    async def ask(question: Plain) -> Answers:
        found: dict[int, Plain] = {}

        async def ask_one(number: int, address: bytes) -> None:
            with trio.move_on_after(ASK_TIME):
                said = await _ask(address, question)
                if said is not None:
                    found[number] = said

        async with trio.open_nursery() as nursery:
            for number, address in enumerate(addresses, 1):
                nursery.start_soon(ask_one, number, address)
        numbers = range(1, len(addresses) + 1)
        return Answers([found[number] for number in numbers if number in found], [n for n in numbers if n not in found])

    return ask


async def _ask(address: bytes, question: Plain) -> Plain | None:
    """Returns a worker's answer; ``None`` if it does not give one: it has just died."""
    with trio.socket.socket(socket.AF_UNIX) as sock:
        try:
            await sock.connect(address)
            stream = trio.SocketStream(sock)
            await stream.send_all(json.dumps(question).encode())
            await stream.send_eof()
            found: Plain = json.loads(await _read_all(stream))
        except (OSError, trio.BrokenResourceError, ValueError):
            return None
    return found


def open_listeners_for_questions(count: int) -> list[socket.socket]:
    """Opens a socket for each worker, for those that ask it. Call it before the first fork."""
    listeners = []
    for _ in range(count):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("")  # the kernel chooses a name
        listener.listen(16)
        listeners.append(listener)
    return listeners


async def answer_questions(gateway: Gateway, listener: socket.socket) -> None:
    """Answers those who ask this worker, until cancelled."""
    listener.setblocking(False)
    accept = trio.SocketListener(trio.socket.from_stdlib_socket(listener.dup()))
    await trio.serve_listeners(partial(_serve, gateway), [accept])


async def _serve(gateway: Gateway, stream: trio.SocketStream) -> None:
    try:
        with trio.move_on_after(ASK_TIME):
            async with stream:
                if not _is_of_this_user(stream.socket):
                    return
                question: Plain = json.loads(await _read_all(stream))
                await stream.send_all(json.dumps(await answer(gateway, question)).encode())
    except (OSError, trio.BrokenResourceError):
        pass  # who asked has gone
    except Exception:  # a bug of ours ends this answer, is logged, and ends no session
        _log.exception("internal error: please report it", extra={"event": "bug", "fields": {}})


def _is_of_this_user(sock: trio.socket.SocketType) -> bool:
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return bool(_PEER.unpack(credentials)[1] == os.geteuid())


async def _read_all(stream: trio.SocketStream) -> bytes:
    """Reads up to the end; of more than ``MOST_BYTES`` nothing is left, which is no JSON."""
    pieces, size = [], 0
    while piece := await stream.receive_some(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            return b""
    return b"".join(pieces)
