"""Writes a session's recording from its buffer to a file, outside of the path of its bytes.

The connection's task takes the records from the buffer and lets a thread write them. The recording ends, with a line in
the log, if the disk fails, is full or too slow, or if the file has its maximum size. The session goes on; but with
``on_error: end`` a failing disk ends the session, or does not let it begin. At the end of a session, also of a cut one,
the remaining records are written within a bounded time.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import trio

from wsgate.disk.threads import in_thread, run_in_background, thread_limiter
from wsgate.events.emit import emit
from wsgate.relay.outcome import Outcome
from wsgate.relay.recorded_tunnel import TOO_LARGE, HeldBytes, RecordBuffer
from wsgate.relay.session_info import SessionInfo
from wsgate.settings.model import OnError, Record
from wsgate.wire.recording import STOPPED, encode_end, encode_head

T = TypeVar("T")

_log = logging.getLogger("wsgate")

GATHERING = 0.5  # seconds for which records may wait for more; a killed process loses at most so much
LAST_WRITES = 2.0  # seconds that the end of a session waits for its disk; less than the margin of a drain
SUFFIX = ".wsgate"
MAX_WRITES = 16  # writes of a session before its thread is free for another session
END_ROOM = 1024  # bytes of a file that are reserved for its last record

_THREADS = 8  # for one directory

_held: trio.lowlevel.RunVar[HeldBytes] = trio.lowlevel.RunVar("bytes of recordings")


class _File:
    """A file that threads write. It may be closed at any time, without waiting for a running write."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._good = 0  # bytes up to the end of the last whole record
        self._lock = threading.Lock()  # never held during a call that may wait for the disk
        self._busy = False
        self._closed = False

    def begin(self, head: bytes) -> None:
        """Creates the file, readable only for its owner; never opens an existing file or link.

        Raises ``OSError`` when that fails.
        """
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with self._lock:
            self._fd = fd
            if self._closed:
                self._release()
        self.append(head)

    def append(self, data: bytes | bytearray) -> None:
        """Writes whole records, all or none. Raises ``OSError`` when that fails."""
        with self._lock:
            if self._fd < 0:
                return
            self._busy = True
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            self._good += len(data)
        except OSError:
            with contextlib.suppress(OSError):  # a partial record would make everything behind it unreadable
                os.ftruncate(self._fd, self._good)
                os.lseek(self._fd, self._good, os.SEEK_SET)
            raise
        finally:
            with self._lock:
                self._busy = False
                if self._closed:
                    self._release()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if not self._busy:
                self._release()

    def remove(self) -> None:
        """Closes the file, and removes it if this process made it."""
        with self._lock:
            ours = self._fd >= 0
        self.close()
        if ours:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Recorder:
    """Records one session in the file at ``path``. Its flows copy to ``buffer``.

    end_session: called with the reason when the session must be recorded and cannot be any more
    """

    def __init__(self, settings: Record, info: SessionInfo) -> None:
        now = datetime.datetime.now(datetime.UTC)
        # Unique for sessions of the same second and of several processes, and not predictable
        name = f"{now:%Y%m%dT%H%M%SZ}-{info.route}-{os.urandom(6).hex()}{SUFFIX}"
        self.path = os.path.join(settings.directory, name)
        self._log_fields = {"id": info.id, "route": info.route, **info.client.fields()}
        self._head = encode_head(
            {
                **self._log_fields,
                "backend": info.backend,
                "path": info.path,
                "subprotocol": info.subprotocol,
                "started": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            }
        )
        self.buffer = RecordBuffer(settings.max_size - len(self._head) - END_ROOM, self._tell, _total_held())
        self.required = settings.on_error is OnError.END
        self.end_session: Callable[[str], None] | None = None
        self._file = _File(self.path)
        self._begun = False
        self._end = b""
        self._scope = trio.CancelScope(shield=True)
        self._threads = thread_limiter("record", settings.directory, _THREADS)

    async def begin(self, within: float) -> str | None:
        """Creates the file before the session begins, within ``within`` seconds. Returns the error; ``None`` without
        one."""
        file = self._file
        try:
            await in_thread(self._threads, within, partial(file.begin, self._head), lambda _: file.remove())
        except OSError as error:
            self.discard()
            return error.strerror or str(error)
        except trio.TooSlowError:
            return f"the disk did not answer within {within:g} s"
        self._begun = True
        return None

    def discard(self) -> None:
        """Removes the file, because no session begins."""
        run_in_background(self._file.remove)

    def finish(self, outcome: Outcome) -> None:
        """The session is over: ``run`` writes what is left, and its outcome."""
        self._end = encode_end(self.buffer.time(), _told(outcome))
        self.buffer.finish()
        self._scope.deadline = trio.current_time() + LAST_WRITES

    async def run(self) -> None:
        """Writes all records to the disk until the session is over. A cancellation does not end this, but cuts the
        session."""
        file = self._file
        try:
            with self._scope:
                await self._fill(file)
            if self._scope.cancelled_caught:
                self.buffer.stop(f"the disk did not take the rest within {LAST_WRITES:g} s")
        except Exception:  # a bug of ours, which must not end the session
            _log.exception("internal error: please report it", extra={"event": "bug", "fields": self._log_fields})
            self.buffer.stop("internal error")
        finally:
            self.buffer.written(len(self.buffer.take()))  # they will never be written
            file.close()

    async def _fill(self, file: _File) -> None:
        try:
            if not self._begun:
                await self._in_thread(file.begin, self._head)
            emit(logging.DEBUG, "recording", **self._log_fields, file=self.path)
            over = False
            while not over:
                await self.buffer.wait(GATHERING)
                over = self.buffer.over
                while await self._in_thread(_bring, self.buffer, file):
                    pass
            if self.buffer.reason is None:
                await self._in_thread(file.append, self._end)
        except OSError as error:
            self.buffer.stop(error.strerror or str(error))
        if self.buffer.reason is not None:
            with contextlib.suppress(OSError):
                await self._in_thread(
                    file.append, encode_end(self.buffer.time(), {"cause": STOPPED, "detail": self.buffer.reason})
                )

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await trio.to_thread.run_sync(work, *arguments, abandon_on_cancel=True, limiter=self._threads)

    def _tell(self, reason: str) -> None:
        emit(logging.WARNING, "record", **self._log_fields, file=self.path, reason=f"recording has stopped: {reason}")
        if self.required and reason != TOO_LARGE and self.end_session is not None:
            # not at once: a flow may be running now
            trio.lowlevel.current_trio_token().run_sync_soon(self.end_session, f"recording has stopped: {reason}")


def _total_held() -> HeldBytes:
    try:
        return _held.get()
    except LookupError:
        _held.set(made := HeldBytes())
        return made


def _bring(buffer: RecordBuffer, file: _File) -> bool:
    """Writes the buffer's records, up to ``MAX_WRITES`` times. Returns whether more are waiting.

    Raises ``OSError`` when writing fails.
    """
    for _ in range(MAX_WRITES):
        records = buffer.take()
        if not records:
            return False
        try:
            file.append(records)
        finally:
            buffer.written(len(records))
    return True


def _told(outcome: Outcome) -> dict[str, object]:
    return {
        "cause": outcome.cause.value,
        "ended_by": "gateway" if outcome.side is None else outcome.side.value,
        "client_code": outcome.client_code,
        "backend_code": outcome.backend_code,
        "detail": outcome.detail or None,
    }
