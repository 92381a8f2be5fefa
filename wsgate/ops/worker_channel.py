"""The messages between a parent and a worker, over a pair of sockets.

A worker ignores signals: a terminal's Ctrl-C and a service manager's TERM reach every process of the group, so each
would count twice. The parent handles them and sends messages. When one process dies, for whatever reason, the other one
reads the end of the channel.
"""

from __future__ import annotations

import enum
import logging
import os
import pickle
import signal
import socket
from collections.abc import AsyncIterator, Sequence

import trio

from wsgate.events.emit import emit
from wsgate.ops.reserved import Inheritance, Reservation
from wsgate.settings.model import Listener, Settings

_SIZE = 4096  # bytes of a message; larger content is passed as a file
_MOST_DESCRIPTORS = 253  # in one message: SCM_MAX_FD of Linux


class Report(enum.Enum):
    """The messages of a worker."""

    READY = b"ready"  # it accepts connections, or a reload is over
    BUSY = b"busy"  # it reloads
    FAILED = b"failed"  # it could not start; the reason follows


class ToWorker:
    """The parent's end. A message that a dead or stuck worker cannot take is dropped."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        channel.setblocking(False)

    def stop(self, number: int) -> None:
        """Tells the worker to drain; the second time, to cut. ``number`` is the signal that asked for it."""
        self._send([b"stop %d" % number])

    def reopen_log(self) -> None:
        """Tells the worker to open the log's file again."""
        self._send([b"reopen"])

    def reload(self, settings: Settings, new: Sequence[Reservation]) -> None:
        """Tells the worker to use these settings; ``new`` are reservations that it did not inherit."""
        file = os.memfd_create("wsgate-settings", os.MFD_CLOEXEC)
        try:
            with open(file, "wb", closefd=False) as writer:
                pickle.dump((settings, [reservation.bind for reservation in new]), writer)
            self._send([b"reload"], [file, *(reservation.sock.fileno() for reservation in new)])
        finally:
            os.close(file)

    def receive(self) -> tuple[Report, str] | None:
        """Returns a message with its text; ``None`` when the worker has died.

        Raises ``BlockingIOError`` when there is no message.
        """
        try:
            message = self.channel.recv(_SIZE)
        except ConnectionError:
            return None
        if not message:
            return None
        word, _, rest = message.partition(b" ")
        return Report(word), rest.decode(errors="replace")  # it may have been cut

    def _send(self, message: list[bytes], descriptors: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self.channel, message, descriptors)
        except ConnectionError:  # it is dead; ``receive`` reports it
            return
        except OSError as error:
            emit(logging.ERROR, "worker does not listen", error=error.strerror)


class ToParent:
    """The worker's end. It gives ``ops.lifecycle`` the signals and settings that a single process gets by itself."""

    def __init__(self, channel: socket.socket, settings: Settings, inheritance: Inheritance) -> None:
        self._channel = channel
        channel.setblocking(False)
        self._settings = settings
        self._inheritance = inheritance
        self._orphaned = False

    def load(self) -> Settings:
        """Returns the settings that the parent has read and checked last."""
        return self._settings

    def open_more(self, listeners: Sequence[Listener]) -> list[socket.socket]:
        """Opens a listening socket for each. Raises ``ListenError`` when one fails; none is open then."""
        return self._inheritance.open(listeners)

    def fail(self, reason: str) -> None:
        """Tells the parent that this worker cannot start."""
        self._inheritance.close()
        self.report(Report.FAILED, reason)

    def report(self, word: Report, text: str = "") -> None:
        """Sends a message to the parent."""
        try:
            self._channel.send(b"%s %s" % (word.value, text.encode()[: _SIZE - 16]))
        except OSError:  # it is dead; the end of the channel reports it
            return

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        """Returns the next signal, as a single process would get it: TERM or INT to stop, HUP to reload, USR1 to
        reopen the log."""
        while self._orphaned:
            await trio.sleep_forever()
        while True:
            await trio.lowlevel.wait_readable(self._channel)
            try:
                message, descriptors, _, _ = socket.recv_fds(
                    self._channel, _SIZE, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                continue
            except ConnectionError:
                message, descriptors = b"", []
            if not message:
                self._orphaned = True
                emit(logging.ERROR, "parent died", cure="this worker drains; start wsgate again")
                return signal.SIGTERM
            word, _, rest = message.partition(b" ")
            if word == b"stop":
                return int(rest)
            if word == b"reopen":
                return signal.SIGUSR1
            self._take_settings(descriptors)
            return signal.SIGHUP

    def _take_settings(self, descriptors: Sequence[int]) -> None:
        file, *fds = descriptors
        with open(file, "rb") as reader:
            reader.seek(0)  # the file position is shared with the parent
            self._settings, binds = pickle.load(reader)
        new = [Reservation(bind, socket.socket(fileno=fd)) for bind, fd in zip(binds, fds, strict=True)]
        self._inheritance.change(self._settings.listeners, new)
