"""``wsgate recording info`` and ``wsgate recording convert``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable

from wsgate.recording.javascript import convert as to_javascript
from wsgate.recording.reader import FormatError, Recording
from wsgate.wire.recording import RecordKind


def info(file: str) -> int:
    """Prints a summary of a recording. Returns the exit status."""
    return _read(file, _describe)


def convert(file: str, output: str | None) -> int:
    """Converts a recording to websockify's format. Returns the exit status.

    output: a path; ``None``: standard output
    """

    def write(recording: Recording) -> None:
        if output is None:
            sys.stdout.writelines(to_javascript(recording.records()))
            return
        # The bytes may contain a password: a new file is readable only by its owner, an existing one keeps its mode
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "w", encoding="ascii") as text:
                text.writelines(to_javascript(recording.records()))
        except BaseException:
            os.unlink(output)  # an incomplete script is useless
            raise

    return _read(file, write)


def _read(file: str, use: Callable[[Recording], None]) -> int:
    try:
        with open(file, "rb") as data:
            recording = Recording(data)
            use(recording)
    except FormatError as error:
        print(f"wsgate: {file}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise  # the reader has closed the pipe: ``cli.main`` ends without a message
    except OSError as error:
        print(f"wsgate: {error.filename or file}: {error.strerror}", file=sys.stderr)
        return 1
    if recording.end is None:
        print(f"wsgate: {file} was cut: this is all up to its last whole record", file=sys.stderr)
    return 0


def _describe(recording: Recording) -> None:
    octets: Counter[RecordKind] = Counter()
    records: Counter[RecordKind] = Counter()
    last = 0
    for record in recording.records():
        octets[record.kind] += len(record.payload)
        records[record.kind] += 1
        last = record.time
    for name, value in recording.head.items():
        _print(name, value)
    for name, kind in (("up", RecordKind.UP), ("down", RecordKind.DOWN)):
        _print(name, f"{octets[kind]} bytes in {records[kind]} records")
    _print("lasts", f"{last / 1e6:.3f} s to the last of them")
    for name, value in (recording.end or {"cause": "unknown: the file was cut"}).items():
        _print(name, value)


def _print(name: str, value: object) -> None:
    text = "-" if value is None else str(value)
    # A client's path must not look like another line of output or control the terminal
    print(f"{name:12} {text if text.isprintable() else ascii(text)}")
