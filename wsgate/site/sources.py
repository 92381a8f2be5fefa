"""The source of a route's tokens: opened before anybody shows a token."""

from __future__ import annotations

import contextlib
import logging
import math
import ssl

import trio

from wsgate.events.emit import emit
from wsgate.net.tls.contexts import files
from wsgate.settings.model import Token
from wsgate.site.certificates import CertificateError, load_one
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.tokens.opening import open_source, source_tls
from wsgate.site.tokens.source import Source, SourceError, TlsContext
from wsgate.site.tokens.values import Targets

_RETRY = 5.0  # seconds between two attempts to open a source


def open_lookups(route: str, token: Token, *, patient: bool = False) -> Lookups:
    """The lookups of a route's tokens. Slow: not for the event loop.

    Raises ``SourceError`` and ``CertificateError`` where the source can never work as it is written. Where it is
    ``patient`` one that cannot be opened is tried again later, and everything else is served meanwhile.
    """
    try:
        return Lookups(route, token, _open(token))
    except (SourceError, CertificateError) as error:
        if not patient:
            raise
        consequence = "its clients get 503 until it can be opened"
        emit(logging.ERROR, "token source broken", route=route, error=str(error), consequence=consequence)
        return Lookups(route, token, _Later(token, str(error)))


class _Later:
    """A source that could not be opened: it is tried again when somebody asks."""

    def __init__(self, token: Token, error: str) -> None:
        self._token = token
        self._error = error
        self._source: Source | None = None
        self._again_at = -math.inf
        self._thread = trio.CapacityLimiter(1)  # held by an attempt that hangs

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
            except (SourceError, CertificateError) as error:
                self._error = str(error)
                raise SourceError(self._error) from None
        return await self._source.look_up(token)

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


def _open(token: Token) -> Source:
    return open_source(token, _context(token))


def _context(token: Token) -> TlsContext | None:
    """For a source that is asked over TLS: its context now. Files may change."""
    tls = source_tls(token)
    if tls is None:
        return None
    live = load_one((tls, ()))

    def context() -> ssl.SSLContext:
        nonlocal live
        if files(tls) and not live.is_fresh:
            with contextlib.suppress(CertificateError):  # a renewal is rarely one step: what was there stays in use
                live = load_one(live.key)
        return live.context

    return context
