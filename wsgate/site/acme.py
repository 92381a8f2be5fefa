"""ACME's challenges: which kind is used, and the routes for the answers to HTTP-01 (RFC 8555 §8.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from wsgate.settings.model import (
    Acme,
    AcmeChallenge,
    Files,
    Listener,
    Match,
    PathKind,
    PathPattern,
    Route,
    TcpAddress,
)
from wsgate.site.matching import Matcher
from wsgate.site.rewriting import Rewriter
from wsgate.site.route import LiveRoute
from wsgate.site.site import CHALLENGE_PATH

NAME = "acme"  # of these routes, in the log


def acme_of(listeners: Iterable[Listener]) -> Iterator[Acme]:
    """Yields the ACME settings of listeners."""
    for listener in listeners:
        if listener.tls is not None and listener.tls.acme is not None:
            yield listener.tls.acme


def challenge_of(acme: Acme, listeners: Collection[Listener]) -> AcmeChallenge:
    """Returns the kind of challenge that is asked for: HTTP-01 or TLS-ALPN-01.

    If the settings leave it open, it follows the ports at which the CA asks. A listener at another port may be reached
    through one of these, for example in a container.
    """
    if acme.challenge is not AcmeChallenge.AUTO:
        return acme.challenge
    plain = [_port(listener) for listener in listeners if listener.tls is None]
    secure = [_port(listener) for listener in listeners if listener.tls is not None]
    if 80 in plain or (plain and 443 not in secure):
        return AcmeChallenge.HTTP
    return AcmeChallenge.TLS_ALPN


def _port(listener: Listener) -> int | None:
    return listener.bind.port if isinstance(listener.bind, TcpAddress) else None


def challenge_route(acme: Acme) -> LiveRoute:
    """Returns the route that serves the store's directory of challenges, for the hosts of the certificate."""
    match = Match(host=acme.hosts, path=PathPattern(PathKind.PREFIX, CHALLENGE_PATH), websocket=False)
    files = Files(root=acme.challenges, index=(), precompressed=False, cache_control="no-store")
    route = Route(name=NAME, match=match, action=files)
    return LiveRoute(route, Matcher(match), Rewriter(match, None))
