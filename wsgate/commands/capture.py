"""A file with the frames of a tap, for Wireshark.

They are written as the hex dump that Wireshark's text2pcap reads: I is from the client, O to it. Each frame is unmasked
and has as much of its payload as was shown. For a file whose name ends with .pcapng text2pcap runs beside.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any

from wsgate.wire.frames import FIN, RSV1, Opcode, encode_header

PCAPNG = ".pcapng"
# I and O, ISO times, and the name of Wireshark's dissector for what is inside
CONVERSION = ("-q", "-D", "-t", "ISO", "-P", "websocket")
_FLAGS = {"FIN": FIN, "RSV1": RSV1, "RSV2": RSV1 >> 1, "RSV3": RSV1 >> 2}
_OPCODES = {opcode.name.lower(): int(opcode) for opcode in Opcode}
_ROW = 16  # bytes in a line


class CaptureError(Exception):
    """The file cannot be written; the message says why."""


class Capture:
    """Writes frames to a new file, which is made with the first event.

    Raises ``CaptureError`` when there is such a file, or what makes it of the text is not installed.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._converter: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None  # by the converter
        self._out: IO[bytes] | None = None
        self._frames = self._dropped = 0
        if os.path.lexists(path):
            raise self._error("it is there already: name a new file")
        if path.endswith(PCAPNG):
            self._converter = shutil.which("text2pcap")
            if self._converter is None:
                cure = "install Wireshark's (Debian: wireshark-common), or write FILE.txt and convert it where that is"
                raise CaptureError(f"{PCAPNG} needs text2pcap, which is not here: {cure}")

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._out is not None:
            self._close()

    def add(self, event: Mapping[str, Any]) -> None:
        """Writes one of the API's lines. Raises ``CaptureError``."""
        if self._out is None:
            self._out = self._open()
            self._write(f"# wsgate tap of session {event['id']}: text2pcap {' '.join(CONVERSION)} FILE OUT{PCAPNG}\n")
        if event["event"] == "frame":
            self._frames += 1
            self._write(f"\n{'I' if event['direction'] == 'up' else 'O'} {event['time']}\n{_dump(frame_of(event))}")
        elif event["event"] == "dropped":
            self._dropped += event["frames"]
            self._write(f"\n# {event['frames']} frames dropped\n")

    def _open(self) -> IO[bytes]:
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._error(error.strerror) from None
        if self._converter is None:
            return open(fd, "wb")
        with open(fd, "wb", buffering=0) as out:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
            self._process = subprocess.Popen(
                [self._converter, *CONVERSION, "-", "-"],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=self._said,
                start_new_session=True,  # a terminal's Ctrl-C must not end it before us
            )
        assert self._process.stdin is not None
        return self._process.stdin

    def _write(self, text: str) -> None:
        assert self._out is not None
        try:
            self._out.write(text.encode("ascii", "backslashreplace"))
            self._out.flush()
        except OSError as error:
            raise self._error(error.strerror) from None

    def _close(self) -> None:
        assert self._out is not None
        try:
            self._out.close()
        except OSError as error:
            raise self._error(error.strerror) from None
        finally:
            status = 0 if self._process is None else self._process.wait()
            said = b""
            if self._said is not None:
                with self._said as text:
                    text.seek(0)
                    said = text.read()
        if status:
            raise self._error(f"text2pcap failed: {said.decode(errors='replace').strip()}")
        dropped = f", {self._dropped} more were dropped" if self._dropped else ""
        print(f"{self._frames} frame{'' if self._frames == 1 else 's'} in {self._path}{dropped}", file=sys.stderr)

    def _error(self, why: str | None) -> CaptureError:
        return CaptureError(f"{self._path} cannot be written: {why}")


def frame_of(event: Mapping[str, Any]) -> bytes:
    """Returns a frame of the API as bytes, unmasked, with as much of its payload as there is."""
    opcode = event["opcode"]
    first = _OPCODES.get(opcode, -1)
    first = int(opcode, 16) if first < 0 else first
    for flag in event["flags"]:
        first |= _FLAGS[flag]
    if "compressed_size" in event:
        first &= ~RSV1  # the payload is the inflated one
    payload = base64.b64decode(event.get("payload", ""))
    if not payload and event.get("code") is not None:
        payload = event["code"].to_bytes(2, "big")
    return encode_header(first, event["size"]) + payload


def _dump(data: bytes) -> str:
    rows = range(0, len(data), _ROW)
    return "".join(f"{at:06x} {data[at : at + _ROW].hex(' ')}\n" for at in rows)
