"""The ``files`` route: GET and HEAD of what lies below one directory."""

from __future__ import annotations

import email.utils
import mimetypes
import os
import stat
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import unquote

import trio

from wsgate.gate.sockets import NO_ROOM, OUT_OF_RESOURCES
from wsgate.settings.model import Files, PathKind, Route
from wsgate.wire.headers import Headers
from wsgate.wire.http import Refusal, Request

CHUNK = 64 << 10  # bytes read and sent at a time
_INDEX = "index.html"
_NOT_FOUND = Refusal(404, "no such file")


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file about to be sent. ``size`` is what its head announces: a file that grows meanwhile is cut there."""

    file: BinaryIO
    size: int
    headers: Headers


async def open_file(route: Route, files: Files, request: Request) -> OpenFile | Refusal:
    """The file that a request names. Opened in a thread: a slow disk harms no session."""
    if request.method not in (b"GET", b"HEAD"):
        return Refusal(405, "files are read with GET or HEAD", ((b"Allow", b"GET, HEAD"),))
    return await trio.to_thread.run_sync(_open, files.root, _relative(route, request.path))


def _relative(route: Route, path: bytes) -> str:
    """The path below the root: what follows a prefix route's prefix."""
    text = path.decode("latin-1")
    pattern = route.match.path
    if pattern is not None and pattern.kind is PathKind.PREFIX:
        text = text.removeprefix(pattern.text)
    return text.lstrip("/")


def _open(root: str, relative: str) -> OpenFile | Refusal:
    try:
        relative = unquote(relative, errors="strict")
    except UnicodeDecodeError:
        return _NOT_FOUND
    parts = relative.split("/") if relative else []
    if "\0" in relative or any(part in ("..", ".") or "\\" in part for part in parts):
        return _NOT_FOUND
    root = os.path.realpath(root)
    path = os.path.realpath(os.path.join(root, *parts))
    if os.path.isdir(path):
        path = os.path.realpath(os.path.join(path, _INDEX))
    if os.path.commonpath((root, path)) != root:  # a symbolic link that leads out of the root
        return _NOT_FOUND
    try:
        # O_NONBLOCK: opening a FIFO would wait for its writer
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    except OSError as error:
        return OUT_OF_RESOURCES if error.errno in NO_ROOM else _NOT_FOUND
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        return _NOT_FOUND
    kind, encoding = mimetypes.guess_type(path)
    content_type = kind if kind and not encoding else "application/octet-stream"
    if content_type.startswith("text/") or content_type.endswith(("javascript", "json")):
        content_type += "; charset=utf-8"
    return OpenFile(
        file,
        status.st_size,
        [
            (b"Content-Type", content_type.encode()),
            (b"Content-Length", b"%d" % status.st_size),
            (b"Last-Modified", email.utils.formatdate(status.st_mtime, usegmt=True).encode()),
            (b"Cache-Control", b"no-cache"),
            (b"X-Content-Type-Options", b"nosniff"),
        ],
    )
