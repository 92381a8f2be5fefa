"""Sending a response of any size to a client of any speed, without harm to the sessions."""

from __future__ import annotations

import logging
from functools import partial
from io import FileIO

import trio

from wsgate.disk.threads import in_thread, later
from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway
from wsgate.gate.handlers.representation import Answer, limiter, silence
from wsgate.net.tcp_info import unacknowledged
from wsgate.net.transport import BLOCKED, Transport
from wsgate.settings.model import Files, Route
from wsgate.wire.http import HttpServer

CHUNK = 64 << 10  # bytes read and sent at a time
PATIENCE = 30.0  # seconds without progress, where the route has no write timeout


async def send_answer(
    gateway: Gateway,
    route: Route,
    files: Files,
    sock: Transport,
    http: HttpServer,
    answer: Answer,
    *,
    head_only: bool,
) -> bool:
    """Send it, and close its file; False where it was not sent whole: the client is gone, or takes nothing for
    ``timeouts.write``, or the disk does not give the rest."""
    patience = route.timeouts.write or PATIENCE
    left = 0 if head_only else answer.size
    data = http.head(answer.status, answer.headers) + (b"" if head_only else http.data(answer.body))
    file = answer.file
    try:
        while True:
            gateway.pump.serve_if_due()
            if data and not await _send(sock, data, patience):
                return False
            if not left or file is None:
                break
            lent, file = file, None  # it is the thread's now, which may have to be left behind with it
            chunk = await _read(route, files, lent, left)
            if not chunk:  # the file shrank, or cannot be read: the client learns it from the missing bytes
                return False
            file = lent
            left -= len(chunk)
            data = http.data(chunk)
    finally:
        if file is not None and not file.closed:
            later(file.close)
    http.finish()
    return True


async def _read(route: Route, files: Files, file: FileIO, left: int) -> bytes:
    """The next bytes; none where there are no more, or the disk fails or hangs, and then the file is closed."""
    within = route.timeouts.handshake
    try:
        return await in_thread(limiter(files), within, partial(_read_some, file, left), lambda _: file.close())
    except trio.TooSlowError:
        reason = silence(files, within)
    except OSError as error:
        reason = error.strerror or str(error)
    emit(logging.WARNING, "file not sent", route=route.name, root=files.root, reason=reason)
    return b""


def _read_some(file: FileIO, left: int) -> bytes:
    """Closes the file where nothing more is wanted of it."""
    data = b""
    try:
        data = file.read(min(CHUNK, left))
        return data
    finally:
        if not data or len(data) == left:
            file.close()


async def _send(sock: Transport, data: bytes, patience: float) -> bool:
    """Send everything, as long as the peer takes something.

    The kernel calls a socket writable when a third of its buffer is free. A slow peer needs long for that, and takes
    all the while.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
            continue
        except BLOCKED:
            pass
        except OSError:
            return False
        before = unacknowledged(sock)
        with trio.move_on_after(patience) as scope:
            await trio.lowlevel.wait_writable(sock)
        if scope.cancelled_caught and unacknowledged(sock) >= before:
            return False
    return True
