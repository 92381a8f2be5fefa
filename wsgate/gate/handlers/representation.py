"""What a ``files`` route has for a path: GET and HEAD of what lies below one directory.

Which file it is that a path names, and what of it the client gets: the whole, a part, or the word that it has it.
Nothing hidden is served, and nothing outside of the root, however a path or a symbolic link leads there.
"""

from __future__ import annotations

import contextlib
import mimetypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import FileIO
from urllib.parse import unquote

import trio

from wsgate.disk.beneath import OpenedPath, open_beneath
from wsgate.disk.threads import in_thread, thread_limiter
from wsgate.gate.handlers.listing import page
from wsgate.gate.refusals import OUT_OF_RESOURCES
from wsgate.net.io import RESOURCE_ERRNOS
from wsgate.settings.model import Files, PathKind, Route
from wsgate.text.paths import has_bad_escape
from wsgate.wire.conditions import ConditionResult, Validators, evaluate_conditions, range_applies
from wsgate.wire.headers import Headers, elements, values
from wsgate.wire.http import Refusal, Request
from wsgate.wire.ranges import Unsatisfiable, parse_range

_NOT_FOUND = Refusal(404, "no such file")
_CODINGS = ((b"br", ".br"), (b"gzip", ".gz"))  # the better first
_REFUSED = ("%00", "%5C")  # a zero byte ends a name; a backslash is another system's slash
_WELL_KNOWN = ".well-known"  # RFC 8615: hidden in name only

THREADS = 16  # for one root


@dataclass(frozen=True, slots=True)
class Answer:
    """A response about to be sent: a head, and ``size`` bytes from where ``file`` stands, or ``body``.

    A file that grows meanwhile is cut there. Whoever has the answer closes the file, on a thread.
    """

    status: int
    headers: Headers
    file: FileIO | None = None
    size: int = 0
    body: bytes = b""


async def open_file(route: Route, files: Files, request: Request) -> Answer | Refusal:
    """What a request gets, within the handshake timeout. Files are opened in a thread: a slow disk harms no session."""
    if request.method not in (b"GET", b"HEAD"):
        return Refusal(405, "files are read with GET or HEAD", ((b"Allow", b"GET, HEAD"),))
    relative = _relative(route, request.path)
    if has_bad_escape(relative) or any(each in relative for each in _REFUSED):
        return Refusal(400, "no path of a file: it has a backslash, a zero byte or a bad escape in it")
    if "%2F" in relative:  # no file has a slash in its name
        return _NOT_FOUND
    within = route.timeouts.handshake
    work = partial(_answer, files, relative, request)
    try:
        return await in_thread(limiter(files), within, work, _close)
    except trio.TooSlowError:
        return Refusal(504, "the file could not be opened in time", detail=silence(files, within))


def _close(answer: Answer | Refusal | None) -> None:
    """Of somebody who does not wait for it any more."""
    if isinstance(answer, Answer) and answer.file is not None:
        answer.file.close()


def limiter(files: Files) -> trio.CapacityLimiter:
    """What bounds the threads that read the files of a route, and of others that have the same root."""
    return thread_limiter("files", files.root, THREADS)


def silence(files: Files, within: float) -> str:
    """Why a file is not sent, for the log."""
    return f"the disk of {files.root} did not answer within {within:g} s"


def _relative(route: Route, path: str) -> str:
    """The path below the root: what follows a prefix route's prefix."""
    pattern = route.match.path
    return path.removeprefix(pattern.text if pattern is not None and pattern.kind is PathKind.PREFIX else "/")


def _answer(files: Files, relative: str, request: Request) -> Answer | Refusal:
    names = _names(relative)
    if names is None:
        return _NOT_FOUND
    try:
        with open_beneath(files.root, names) as found:
            if not found.is_directory:
                # A name with a slash behind it is a directory's
                return _NOT_FOUND if relative.endswith("/") else _representation(files, found, request)
            if relative and not relative.endswith("/"):
                return _redirect(request)
            for name in files.index:
                index = _file(files, (*found.names, name))
                if index is not None:
                    with index:
                        return _representation(files, index, request)
            if files.listing:
                body = page(found.fd, unquote(request.path, errors="replace"), is_root=not relative)
                fields = [(b"Content-Type", b"text/html; charset=utf-8"), (b"Content-Length", b"%d" % len(body))]
                return Answer(200, [*fields, *_common(files)], body=body)
    except OSError as error:
        return OUT_OF_RESOURCES if error.errno in RESOURCE_ERRNOS else _NOT_FOUND
    return _NOT_FOUND


def _names(relative: str) -> list[str] | None:
    """The names that a path is made of; ``None`` where one of them is hidden, or no name."""
    try:
        names = [name for name in unquote(relative, errors="strict").split("/") if name]
    except UnicodeDecodeError:
        return None
    if any(name.startswith(".") and (name != _WELL_KNOWN or place) for place, name in enumerate(names)):
        return None
    return names


def _file(files: Files, names: Sequence[str]) -> OpenedPath | None:
    """A file that may be there; ``None`` where it is not. Raises ``OSError`` where there is no room for it."""
    try:
        found = open_beneath(files.root, names)
    except OSError as error:
        if error.errno in RESOURCE_ERRNOS:
            raise
        return None
    if found.is_file:
        return found
    found.close()
    return None


def _redirect(request: Request) -> Answer:
    """To the directory with a slash behind it, or its page's links would lead beside it.

    Relative: so it leads nowhere else whatever the path is, and is right behind every proxy.
    """
    question, query = request.target.partition(b"?")[1:]
    location = b"./" + request.path.rpartition("/")[2].encode() + b"/" + question + query
    return Answer(301, [(b"Location", location), (b"Content-Length", b"0")])


def _representation(files: Files, plain: OpenedPath, request: Request) -> Answer | Refusal:
    """A file as it is or as somebody has compressed it before, whole or in part."""
    if not plain.is_file:
        return _NOT_FOUND
    with contextlib.ExitStack() as closing:
        coding, chosen, varies = _choose(files, plain, request, closing) if files.precompressed else (b"", plain, False)
        file = FileIO(chosen.take())
        found = chosen.status
    with contextlib.ExitStack() as closing:
        closing.callback(file.close)
        tag = b'"%x-%x-%x%s"' % (found.st_mtime_ns, found.st_size, found.st_ino, b"-" + coding if coding else b"")
        # RFC 9110 §8.8.2.1: never later than now
        state = Validators(tag, int(min(found.st_mtime, time.time())))
        common = [*state.fields(), *_common(files)]
        if varies:
            common.append((b"Vary", b"Accept-Encoding"))
        verdict = evaluate_conditions(request.headers, state)
        if verdict is ConditionResult.FAILED:
            return Refusal(412, "the file has changed")
        if verdict is ConditionResult.NOT_MODIFIED:
            return Answer(304, common)
        headers = [(b"Content-Type", _content_type(plain.names[-1])), (b"Accept-Ranges", b"bytes"), *common]
        if coding:
            headers.append((b"Content-Encoding", coding))
        status, size = 200, found.st_size
        ranges = values(request.headers, b"range")
        # §14.2: a Range is for GET alone
        if len(ranges) == 1 and request.method == b"GET" and range_applies(request.headers, state):
            try:
                part = parse_range(ranges[0], found.st_size)
            except Unsatisfiable:
                whole = b"bytes */%d" % found.st_size
                return Refusal(416, "the file has no such part", ((b"Content-Range", whole),))
            if part is not None:
                status, size = 206, part.size
                headers.append((b"Content-Range", part.content_range(found.st_size)))
                file.seek(part.first)
        closing.pop_all()
        return Answer(status, [*headers, (b"Content-Length", b"%d" % size)], file, size)


def _choose(
    files: Files, plain: OpenedPath, request: Request, closing: contextlib.ExitStack
) -> tuple[bytes, OpenedPath, bool]:
    """The coding of what is sent, its file, and whether others would get something else. Whatever is opened for that is
    closed with ``closing``."""
    there = {}
    *above, name = plain.names
    for coding, suffix in _CODINGS:
        compressed = _file(files, (*above, name + suffix))
        if compressed is not None:
            there[coding] = closing.enter_context(compressed)
    weights = _weights(request.headers)
    best = max(there, key=weights, default=b"")  # the first of equals
    if not best or not weights(best) or weights(best) < weights(b"identity"):
        return b"", plain, bool(there)
    return best, there[best], True


def _weights(headers: Headers) -> Callable[[bytes], float]:
    """RFC 9110 §12.5.3: how much a client wants a coding, from 0 to 1; "identity" only where it is named."""
    wanted: dict[bytes, float] = {b"identity": 0.0}
    for element in elements(headers, b"accept-encoding"):
        name, _, parameter = element.partition(b";")
        key, _, value = parameter.strip().partition(b"=")
        try:
            weight = float(value) if key.strip().lower() == b"q" else 1.0
        except ValueError:
            weight = 0.0
        wanted[name.strip().lower()] = weight if 0 <= weight <= 1 else 0.0
    return lambda coding: wanted.get(coding, wanted.get(b"*", 0.0))


def _content_type(path: str) -> bytes:
    kind, encoding = mimetypes.guess_type(path)
    content_type = kind if kind and not encoding else "application/octet-stream"
    if content_type.startswith("text/") or content_type.endswith(("javascript", "json")):
        content_type += "; charset=utf-8"
    return content_type.encode()


def _common(files: Files) -> list[tuple[bytes, bytes]]:
    own = [(name.encode(), value.encode("latin-1")) for name, value in files.headers]
    fields = [(b"Cache-Control", files.cache_control.encode("latin-1", "replace")), *own]
    if not any(name.lower() == b"x-content-type-options" for name, _ in own):
        fields.append((b"X-Content-Type-Options", b"nosniff"))
    return fields
