"""What a parent and one of its workers say to each other, over a pair of sockets between them.

A worker takes no signals: a terminal's Ctrl-C and a service manager's TERM reach every process of a group, and each of
them would count twice. Its parent hears them and gives orders. The end of the channel is the end of the other process,
however it died, with no moment in which it could be missed.
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

_SIZE = 4096  # bytes of a message; what is larger travels as a file
_MOST_DESCRIPTORS = 253  # in one message: SCM_MAX_FD of Linux


class Report(enum.Enum):
    """What a worker says of itself."""

    READY = b"ready"  # it accepts connections, or has done with a reload
    BUSY = b"busy"  # it reloads
    FAILED = b"failed"  # it could not begin; the reason follows


class ToWorker:
    """The parent's end. What cannot be said to a worker that is dead or stuck is dropped: its end is seen otherwise."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        channel.setblocking(False)

    def stop(self, number: int) -> None:
        """Drain; the second time, cut. ``number`` is the signal that asked for it."""
        self._send([b"stop %d" % number])

    def reload(self, settings: Settings, new: Sequence[Reservation]) -> None:
        """Go on with these settings; ``new`` are the addresses that it did not inherit."""
        file = os.memfd_create("wsgate-settings", os.MFD_CLOEXEC)
        try:
            with open(file, "wb", closefd=False) as writer:
                pickle.dump((settings, [reservation.bind for reservation in new]), writer)
            self._send([b"reload"], [file, *(reservation.sock.fileno() for reservation in new)])
        finally:
            os.close(file)

    def receive(self) -> tuple[Report, str] | None:
        """What it says; ``None`` when it has died. Raises ``BlockingIOError`` when it says nothing."""
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
        except ConnectionError:  # it is dead, which is seen otherwise
            return
        except OSError as error:
            emit(logging.ERROR, "worker does not listen", error=error.strerror)


class ToParent:
    """The worker's end: the signals and the settings that ``ops.lifecycle`` would find itself in a single process."""

    def __init__(self, channel: socket.socket, settings: Settings, inheritance: Inheritance) -> None:
        self._channel = channel
        channel.setblocking(False)
        self._settings = settings
        self._inheritance = inheritance
        self._orphaned = False

    def load(self) -> Settings:
        """The settings as the parent has read and checked them last."""
        return self._settings

    def open_more(self, listeners: Sequence[Listener]) -> list[socket.socket]:
        """A listening socket for each. Raises ``ListenError``, with none left open."""
        return self._inheritance.open(listeners)

    def fail(self, reason: str) -> None:
        """Tell the parent that this worker cannot begin."""
        self._inheritance.close()
        self.report(Report.FAILED, reason)

    def report(self, word: Report, text: str = "") -> None:
        """Tell the parent."""
        try:
            self._channel.send(b"%s %s" % (word.value, text.encode()[: _SIZE - 16]))
        except OSError:  # it is dead; the channel's end says so too
            return

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        """The next order, as the signal that a single process would have had: TERM or INT to stop, HUP to reload."""
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
            self._take_settings(descriptors)
            return signal.SIGHUP

    def _take_settings(self, descriptors: Sequence[int]) -> None:
        file, *fds = descriptors
        with open(file, "rb") as reader:
            reader.seek(0)  # the parent's position is ours
            self._settings, binds = pickle.load(reader)
        new = [Reservation(bind, socket.socket(fileno=fd)) for bind, fd in zip(binds, fds, strict=True)]
        self._inheritance.change(self._settings.listeners, new)
