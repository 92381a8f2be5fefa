"""Reads a recording, also an incomplete one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from wsgate.wire.recording import (
    HEAD_LIMIT,
    MAGIC,
    PAYLOAD_LIMIT,
    RECORD_HEADER,
    RecordingRecord,
    RecordKind,
    parse_fields,
)

_KINDS = frozenset(RecordKind)


class FormatError(Exception):
    """The file is no recording, or is damaged; the message says where."""


class Recording:
    """A recording.

    head: about the session
    end: how the session, or its recording, ended; ``None`` before all records are read, and for an incomplete file
    cut: bytes of the unfinished record at the end of an incomplete file
    """

    def __init__(self, file: BinaryIO) -> None:
        """Reads the head. Raises ``FormatError`` when it is no recording, ``OSError`` when reading fails."""
        self._file = file
        magic = file.readline(len(MAGIC))
        if magic != MAGIC:
            if magic.startswith(MAGIC.rstrip(b"1\n")):
                raise FormatError("a recording of another version of wsgate: this one reads version 1")
            raise FormatError("no recording of wsgate")
        line = file.readline(HEAD_LIMIT)
        try:
            self.head = parse_fields(line)
        except ValueError:
            raise FormatError("its second line is not whole: the file was cut there, or damaged") from None
        self.end: dict[str, object] | None = None
        self.cut = 0
        self._at = len(magic) + len(line)

    def records(self) -> Iterator[RecordingRecord]:
        """Yields the records in order, up to the last whole one. Raises ``FormatError`` when the file is damaged,
        ``OSError`` when reading fails."""
        while True:
            begin = self._file.read(RECORD_HEADER.size)
            if len(begin) < RECORD_HEADER.size:
                self.cut = len(begin)
                return
            octet, time, size = RECORD_HEADER.unpack(begin)
            if octet not in _KINDS or size > PAYLOAD_LIMIT:
                raise FormatError(f"damaged: no record begins at byte {self._at}")
            payload = self._file.read(size)
            if len(payload) < size:
                self.cut = len(begin) + len(payload)
                return
            if octet == RecordKind.END:
                self._finish(payload)
                return
            self._at += len(begin) + size
            yield RecordingRecord(RecordKind(octet), time, payload)

    def _finish(self, payload: bytes) -> None:
        try:
            self.end = parse_fields(payload)
        except ValueError:
            raise FormatError(f"damaged: the last record, at byte {self._at}, says nothing") from None
        if self._file.read(1):
            raise FormatError(f"damaged: bytes behind the last record, which begins at byte {self._at}")
