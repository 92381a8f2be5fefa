"""The sources of tokens that some settings name: opened before anybody shows a token, kept over reloads."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wsgate.gate.tokens.lookups import Lookups
from wsgate.gate.tokens.source import SourceError, TlsContext, open_source, source_tls
from wsgate.ops.certificates import CertificateError, is_fresh, load_one
from wsgate.settings.model import Settings, Token, Tunnel
from wsgate.settings.tls_context import files


class SourcesError(Exception):
    """Sources that can never work as they are written; each message is one line: which, why, and what to do."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__(messages)
        self.messages = tuple(messages)

    def __str__(self) -> str:
        return "\n".join(self.messages)


def open_lookups(settings: Settings, known: Mapping[str, Lookups] = MappingProxyType({})) -> dict[str, Lookups]:
    """By the names of the routes that have tokens. Slow: not for the event loop. Raises ``SourcesError``.

    Of those that are ``known``, each whose settings did not change stays: its sessions go on being looked after.
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
            lookups[route.name] = Lookups(route.name, token, open_source(token, _context(token)))
        except (SourceError, CertificateError) as error:
            faults.append(f"the tokens of route {route.name}: {error}")
    if faults:
        for name, opened in lookups.items():
            if known.get(name) is not opened:
                opened.close()
        raise SourcesError(faults)
    return lookups


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
