"""The sources of tokens that some settings name: opened before anybody shows a token, kept over reloads."""

from __future__ import annotations

import contextlib
import logging
import math
import ssl
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import trio

from wsgate.events.emit import emit
from wsgate.ops.certificates import CertificateError, is_fresh, load_one
from wsgate.settings.model import Settings, Token, Tunnel
from wsgate.settings.tls_context import files
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.tokens.opening import open_source, source_tls
from wsgate.site.tokens.source import Source, SourceError, TlsContext
from wsgate.site.tokens.values import Targets

_RETRY = 5.0  # seconds between two attempts to open a source


class SourcesError(Exception):
    """Sources that can never work as they are written; each message is one line: which, why, and what to do."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__(messages)
        self.messages = tuple(messages)

    def __str__(self) -> str:
        return "\n".join(self.messages)


def open_lookups(
    settings: Settings, known: Mapping[str, Lookups] = MappingProxyType({}), *, patient: bool = False
) -> dict[str, Lookups]:
    """By the names of the routes that have tokens. Slow: not for the event loop. Raises ``SourcesError``.

    Of those that are ``known``, each whose settings did not change stays: its sessions go on being looked after. Where
    it is ``patient`` a source that cannot be opened is tried again later, and everything else is served meanwhile.
    """
    lookups: dict[str, Lookups] = {}
    faults: list[str] = []
    for route in settings.routes:
        token = route.action.token if isinstance(route.action, Tunnel) else None
        if token is None:
            continue
        if route.name in known and known[route.name].settings == token:
            lookups[route.name] = known[route.name]
            continue
        try:
            lookups[route.name] = Lookups(route.name, token, _open(token))
        except (SourceError, CertificateError) as error:
            if patient:
                lookups[route.name] = Lookups(route.name, token, _Later(token, str(error)))
                consequence = "its clients get 503 until it can be opened"
                emit(logging.ERROR, "token source broken", route=route.name, error=str(error), consequence=consequence)
            else:
                faults.append(f"the tokens of route {route.name}: {error}")
    if faults:
        for name, opened in lookups.items():
            if known.get(name) is not opened:
                opened.close()
        raise SourcesError(faults)
    return lookups


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
    key = (tls, ())
    loaded = load_one(key)

    def context() -> ssl.SSLContext:
        nonlocal loaded
        if files(tls) and not is_fresh(key, loaded):
            with contextlib.suppress(CertificateError):  # a renewal is rarely one step: what was there stays in use
                loaded = load_one(key)
        return loaded.context

    return context
