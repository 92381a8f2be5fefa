"""Opens the token source of a route, before its first token."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Sequence

import trio

from wsgate.events.emit import emit
from wsgate.settings.model import Token
from wsgate.site.certificates import CertificateError, load_one, present_context
from wsgate.site.machine import directory_problem
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.tokens.opening import open_source, source_tls
from wsgate.site.tokens.source import Source, SourceError, TlsContext
from wsgate.site.tokens.values import Targets
from wsgate.text.error import TextError
from wsgate.text.file import check_file, explain, open_nonblocking

_RETRY = 5.0  # seconds between two attempts to open a source


class OpenError(Exception):
    """A token source cannot be opened.

    faults: each with the path of its setting below ``token``
    """

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__(faults)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "; ".join(message for _, message in self.faults)


def open_lookups(route: str, token: Token) -> Lookups:
    """Opens the source of a route's tokens. Call it in a thread.

    Raises ``OpenError`` when the source can never work as it is configured.
    """
    return Lookups(route, token, _open(token))


def look_at_files(token: Token) -> list[tuple[str, str]]:
    """Looks at the files of a source that is open and stays, without opening it again. Call it in a thread.

    Returns the faults, each with the path of its setting below ``token``.
    """
    named = {"file": token.file, "directory": token.directory}
    if token.jwt is not None:
        named |= {"jwt.key": token.jwt.key, "jwt.jwks": token.jwt.jwks}
    if token.redis is not None:
        named["redis.password_file"] = token.redis.password_file
    problems = {key: _problem(key, path) for key, path in named.items() if path is not None}
    faults = [(key, problem) for key, problem in problems.items() if problem is not None]
    if (tls := source_tls(token)) is not None:
        try:
            load_one((tls, ()))
        except CertificateError as error:
            faults += _below(tls_key(token), error)
    return faults


def later(route: str, token: Token, error: str) -> Lookups:
    """Returns lookups whose source could not be opened; the next lookups try again."""
    consequence = "its clients get 503 until it can be opened"
    emit(logging.ERROR, "token source broken", route=route, error=error, consequence=consequence)
    return Lookups(route, token, _Later(token, error))


class _Later:
    """A source that could not be opened; the next lookups try again."""

    def __init__(self, token: Token, error: str) -> None:
        self._token = token
        self._error = error
        self._source: Source | None = None
        self._again_at = -math.inf
        self._thread = trio.CapacityLimiter(1)  # an attempt that hangs holds it

    async def look_up(self, token: str) -> Targets | None:
        if self._source is None:
            now = trio.current_time()
            if now < self._again_at:
                raise SourceError(self._error)
            self._again_at = now + _RETRY
            try:
                self._source = await trio.to_thread.run_sync(
                    _open, self._token, abandon_on_cancel=True, limiter=self._thread
                )
            except OpenError as error:
                self._error = str(error)
                raise SourceError(self._error) from None
        return await self._source.look_up(token)

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


def _open(token: Token) -> Source:
    faults: list[tuple[str, str]] = []
    context: TlsContext | None = None
    try:
        if (tls := source_tls(token)) is not None:
            context = present_context(tls)
            context()
    except CertificateError as error:
        faults += _below(tls_key(token), error)
    try:
        source = open_source(token, context)
    except SourceError as error:
        raise OpenError([*faults, (error.key, str(error))]) from None
    if faults:
        source.close()
        raise OpenError(faults)
    return source


def _below(key: str, error: CertificateError) -> list[tuple[str, str]]:
    return [(f"{key}.{below}" if below else key, message) for below, message in error.faults]


def _problem(key: str, path: str) -> str | None:
    if key == "directory" or (key == "file" and os.path.isdir(path)):
        return directory_problem(path, os.R_OK if key == "file" else os.X_OK)
    try:
        check_file(path, sys.maxsize)
        os.close(open_nonblocking(path))
    except OSError as error:
        return explain(path, error)
    except TextError as error:
        return str(error)
    return None


def tls_key(token: Token) -> str:
    """Returns the path below ``token`` of the TLS to its source."""
    return "url_tls" if token.redis is None else "redis.tls"
