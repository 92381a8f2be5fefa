"""Finds the file for a path of a ``files`` route, and the representation of it that the client gets.

The answer is the whole file, a range, or a 304. Hidden files are not served, and no path or symbolic link leads outside
of the root.
"""

from __future__ import annotations

import contextlib
import mimetypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import FileIO
from urllib.parse import unquote

import trio

from wsgate.disk.beneath import OpenedPath, open_beneath
from wsgate.disk.threads import in_thread, thread_limiter
from wsgate.gate.handlers.listing import page
from wsgate.gate.refusals import OUT_OF_RESOURCES
from wsgate.gate.request_values import rest_of_path
from wsgate.net.io import RESOURCE_ERRNOS
from wsgate.settings.model import Files, Route
from wsgate.text.paths import has_bad_escape
from wsgate.wire.conditions import ConditionResult, Validators, evaluate_conditions, range_applies
from wsgate.wire.headers import Headers, elements, values
from wsgate.wire.http import Refusal, Request
from wsgate.wire.ranges import Unsatisfiable, parse_range

_NOT_FOUND = Refusal(404, "no such file")
_CODINGS = ((b"br", ".br"), (b"gzip", ".gz"))  # the preferred one first
_REFUSED = ("%00", "%5C")  # a zero byte ends a name; a backslash is a separator on another system
_WELL_KNOWN = ".well-known"  # not hidden (RFC 8615)

THREADS = 16  # for one root


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: a head, and ``size`` bytes of ``file`` from its present position, or ``body``.

    The owner of the answer closes the file in a thread.
    """

    status: int
    headers: Headers
    file: FileIO | None = None
    size: int = 0
    body: bytes = b""


async def open_file(route: Route, files: Files, request: Request) -> Answer | Refusal:
    """Returns the answer to a request, within the handshake timeout. A thread opens the file."""
    if request.method not in (b"GET", b"HEAD"):
        return Refusal(405, "files are read with GET or HEAD", ((b"Allow", b"GET, HEAD"),))
    relative = rest_of_path(route, request.path)
    if has_bad_escape(relative) or any(each in relative for each in _REFUSED):
        return Refusal(400, "no path of a file: it has a backslash, a zero byte or a bad escape in it")
    within = route.timeouts.handshake
    work = partial(_answer, files, relative, request)
    try:
        return await in_thread(limiter(files), within, work, _close)
    except trio.TooSlowError:
        return Refusal(504, "the file could not be opened in time", detail=silence(files, within))


def _close(answer: Answer | Refusal | None) -> None:
    """Closes the file of an answer that is not needed any more."""
    if isinstance(answer, Answer) and answer.file is not None:
        answer.file.close()


def limiter(files: Files) -> trio.CapacityLimiter:
    """Returns the limiter of the threads that read the files of all routes with the same root."""
    return thread_limiter("files", files.root, THREADS)


def silence(files: Files, within: float) -> str:
    """Returns why a file is not sent, for the log."""
    return f"the disk of {files.root} did not answer within {within:g} s"


def _answer(files: Files, relative: str, request: Request) -> Answer | Refusal:
    """Returns the file for a path, or the fallback if there is none."""
    found = _find(files, relative, request)
    if found is not _NOT_FOUND or files.fallback is None:
        return found
    try:
        fallback = _file(files, files.fallback[1:].split("/"))
    except OSError:
        return OUT_OF_RESOURCES
    if fallback is None:
        return replace(_NOT_FOUND, detail=f"nor is the fallback: {files.root}{files.fallback}")
    with fallback:
        return _representation(files, fallback, request)


def _find(files: Files, relative: str, request: Request) -> Answer | Refusal:
    names = _names(relative)
    if names is None:
        return _NOT_FOUND
    try:
        with open_beneath(files.root, names) as found:
            if not found.is_directory:
                # A path with a slash at its end names a directory
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
    """Returns the names in a path; ``None`` if one of them is hidden or invalid. No file has a slash in its name."""
    if "%2F" in relative:
        return None
    try:
        names = [name for name in unquote(relative, errors="strict").split("/") if name]
    except UnicodeDecodeError:
        return None
    if any(name.startswith(".") and (name != _WELL_KNOWN or place) for place, name in enumerate(names)):
        return None
    return names


def _file(files: Files, names: Sequence[str]) -> OpenedPath | None:
    """Opens a file that may exist; returns ``None`` if it does not. Raises ``OSError`` when the gateway is out of
    resources."""
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
    """Redirects to the directory with a slash at the end; without it, relative links of its page would be wrong.

    The redirect is relative, so it cannot lead to another host, and is right behind every proxy.
    """
    question, query = request.target.partition(b"?")[1:]
    location = b"./" + request.path.rpartition("/")[2].encode() + b"/" + question + query
    return Answer(301, [(b"Location", location), (b"Content-Length", b"0")])


def _representation(files: Files, plain: OpenedPath, request: Request) -> Answer | Refusal:
    """Returns a file or its precompressed version, whole or a range."""
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
        # §14.2: Range is defined only for GET
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
    """Returns the coding, its file, and whether the choice depends on Accept-Encoding.

    closing: closes all files that were opened
    """
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
    """Returns a function for the client's weight of a coding, from 0 to 1 (RFC 9110 §12.5.3)."""
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
