"""A file as the body of a response, read in threads, because its disk may be slow or hang."""

from __future__ import annotations

import logging
from functools import partial
from io import FileIO

import trio

from wsgate.disk.threads import in_thread, run_in_background
from wsgate.events.emit import emit
from wsgate.gate.handlers.representation import limiter, silence
from wsgate.settings.model import Files, Route

CHUNK = 64 << 10  # bytes read at a time


class FileBody:
    """``size`` bytes of a file from its present position, also if the file grows meanwhile."""

    def __init__(self, file: FileIO, size: int, files: Files, route: Route) -> None:
        self._file: FileIO | None = file
        self._left = size
        self._files = files
        self._route = route

    async def read(self) -> bytes:
        """Returns the next bytes; none at the end, or if the disk fails or hangs. The file is closed then."""
        file, self._file = self._file, None  # the thread owns it now, and may have to be abandoned with it
        if file is None or not self._left:
            self._file = file
            return b""
        within = self._route.timeouts.handshake
        work = partial(_read_some, file, self._left)
        try:
            data = await in_thread(limiter(self._files), within, work, lambda _: file.close())
        except trio.TooSlowError:
            reason = silence(self._files, within)
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            self._left -= len(data)
            self._file = file
            return data
        emit(logging.WARNING, "file not sent", route=self._route.name, root=self._files.root, reason=reason)
        return b""

    def close(self) -> None:
        """Closes the file in a thread."""
        file, self._file = self._file, None
        if file is not None and not file.closed:
            run_in_background(file.close)


def _read_some(file: FileIO, left: int) -> bytes:
    """Reads the next bytes, and closes the file after the last ones."""
    data = b""
    try:
        data = file.read(min(CHUNK, left))
        return data
    finally:
        if not data or len(data) == left:
            file.close()
