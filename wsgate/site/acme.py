"""The routes for the answers to ACME's challenges (RFC 8555 §8.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wsgate.settings.model import Acme, Files, Listener, Match, PathKind, PathPattern, Route
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


def challenge_route(acme: Acme) -> LiveRoute:
    """Returns the route that serves the store's directory of challenges, for the hosts of the certificate."""
    match = Match(host=acme.hosts, path=PathPattern(PathKind.PREFIX, CHALLENGE_PATH), websocket=False)
    files = Files(root=acme.challenges, index=(), precompressed=False, cache_control="no-store")
    route = Route(name=NAME, match=match, action=files)
    return LiveRoute(route, Matcher(match), Rewriter(match, None))
