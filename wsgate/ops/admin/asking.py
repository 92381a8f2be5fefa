"""Questions to the serving processes: within one process, or over a Unix socket to each worker.

The parent of workers opens the sockets before it forks, so a worker that replaces a dead one listens at the same place,
and the admin process needs no message from the parent. The sockets have names of the kernel's choice that no file has
(unix(7), autobind), and take only processes of the same user.

A question is a line of JSON, and its answer JSON up to the end of the connection. A tap is answered by lines, for as
long as who asks keeps the connection.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol

import trio

from wsgate.gate.gateway import Gateway
from wsgate.ops.admin.json_text import json_text
from wsgate.ops.admin.questions import Plain, answer
from wsgate.ops.admin.tapping import IDLE, NotTapped, Send, TapSession, line, no_session, tap_here, until_left
from wsgate.relay.registry import worker_of

ASK_TIME = 2.0  # seconds for a worker to answer
SILENT_TIME = 3 * IDLE  # seconds without a line of a tap, after which its worker is taken for dead
TAKE_TIME = 15.0  # seconds for who asks for a tap to take some lines; more than it waits for its own viewer
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


def tap_workers(listeners: Sequence[socket.socket]) -> TapSession:
    """Returns a function that shows the frames of any worker's session. ``listeners``: of all, in their order"""
    addresses = [listener.getsockname() for listener in listeners]

    async def tap(id: str, payload: bool, send: Send) -> NotTapped | None:
        number = worker_of(id)
        if not 0 < number <= len(addresses):
            return no_session(id)
        question = {"ask": "tap", "id": id, "payload": payload}
        with trio.socket.socket(socket.AF_UNIX) as sock:
            lines = _Lines(trio.SocketStream(sock))
            first = b""
            with suppress(OSError, trio.BrokenResourceError), trio.move_on_after(ASK_TIME):
                await sock.connect(addresses[number - 1])
                await lines.stream.send_all(json.dumps(question).encode() + b"\n")
                first = await lines.receive()
            if not first:
                return NotTapped(503, f"worker {number}, which had this session, does not answer: try again")
            begun = json.loads(first.partition(b"\n")[0])
            if "status" in begun:
                return NotTapped(begun["status"], begun["reason"])
            await _pass_lines(lines, first, send)
        return None

    return tap


async def _pass_lines(lines: _Lines, piece: bytes, send: Send) -> None:
    """Sends the lines of a worker. If their end is missing, the worker has died, and an end says so."""
    last = b""
    while piece:
        if not await send(piece):
            return
        last = piece[piece.rfind(b"\n", 0, -1) + 1 :]
        piece = b""
        with suppress(trio.BrokenResourceError), trio.move_on_after(SILENT_TIME):
            piece = await lines.receive()
    if json.loads(last)["event"] != "end":
        await send(line("end", reason="worker", detail="its worker has died, or hangs"))


class _Lines:
    """Receives whole lines from a worker."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._rest = b""

    async def receive(self) -> bytes:
        """Returns one line or more; nothing at the end, without what is left of an unfinished one."""
        whole = b""
        while not whole and (piece := await self.stream.receive_some(_PIECE)):
            whole, newline, self._rest = (self._rest + piece).rpartition(b"\n")
            whole += newline
        return whole


async def _ask(address: bytes, question: Plain) -> Plain | None:
    """Returns a worker's answer; ``None`` if it does not give one: it has just died."""
    with trio.socket.socket(socket.AF_UNIX) as sock:
        try:
            await sock.connect(address)
            stream = trio.SocketStream(sock)
            await stream.send_all(json.dumps(question).encode() + b"\n")
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
        async with stream:
            if not _is_of_this_user(stream.socket):
                return
            question: Plain | None = None
            with trio.move_on_after(ASK_TIME):
                question = json.loads(await _read_question(stream))
                if question["ask"] != "tap":
                    text = await json_text(await answer(gateway, question))
                    await stream.send_all(text.encode(errors="surrogatepass"))
                    return
            if question is not None:
                await _answer_tap(gateway, question, stream)
    except (OSError, trio.BrokenResourceError):
        pass  # who asked has gone
    except Exception:  # a bug of ours ends this answer, is logged, and ends no session
        _log.exception("internal error: please report it", extra={"event": "bug", "fields": {}})


async def _answer_tap(gateway: Gateway, question: Plain, stream: trio.SocketStream) -> None:
    """Shows a session's frames for as long as who asked takes them."""

    async def send(data: bytes) -> bool:
        with suppress(trio.BrokenResourceError), trio.move_on_after(TAKE_TIME):
            await stream.send_all(data)
            return True
        return False

    async def left() -> None:
        with suppress(trio.BrokenResourceError):
            await stream.receive_some(1)

    show = partial(tap_here(gateway), question["id"], question["payload"], send)
    not_tapped = await until_left(left, show)
    if not_tapped is not None:
        await send(json.dumps(asdict(not_tapped)).encode() + b"\n")


def _is_of_this_user(sock: trio.socket.SocketType) -> bool:
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return bool(_PEER.unpack(credentials)[1] == os.geteuid())


async def _read_question(stream: trio.SocketStream) -> bytes:
    """Reads up to the end of a line; of more than ``MOST_BYTES`` nothing is left, which is no JSON."""
    question = b""
    while not question.endswith(b"\n") and (piece := await stream.receive_some(_PIECE)):
        question += piece
        if len(question) > MOST_BYTES:
            return b""
    return question


async def _read_all(stream: trio.SocketStream) -> bytes:
    """Reads up to the end; of more than ``MOST_BYTES`` nothing is left, which is no JSON."""
    pieces, size = [], 0
    while piece := await stream.receive_some(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            return b""
    return b"".join(pieces)
