"""Builds the site from settings: the only place that loads and opens what they name.

Unchanged parts are the same objects as in the site before, and are not modified. So ``discard`` is enough to release a
site that is not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wsgate.net.target_rules import rules_of
from wsgate.settings.model import Basic, Listener, Relay, Route, Settings, Tunnel
from wsgate.site.backend import LiveBackend
from wsgate.site.certificates import CertificateError, LiveTls, TlsKey, backend_key, listener_key, load_all
from wsgate.site.listener import LiveListener
from wsgate.site.matching import Matcher
from wsgate.site.passwords import Users
from wsgate.site.route import LiveRoute
from wsgate.site.site import Site
from wsgate.site.sources import open_lookups
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.tokens.source import SourceError
from wsgate.site.upstream import Upstream

_EMPTY = Site(Settings(listeners=(), routes=()))


class SourcesError(Exception):
    """Token sources that can never work as configured; each message says in one line which, why, and what to do."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__(messages)
        self.messages = tuple(messages)

    def __str__(self) -> str:
        return "\n".join(self.messages)


def build(
    settings: Settings,
    previous: Site | None = None,
    *,
    keep: bool = False,
    patient: bool = False,
    sources: bool = True,
) -> Site:
    """Builds the site. Call it in a thread.

    previous: the site before
    keep: a certificate that cannot be loaded stays as in ``previous``
    patient: a token source that cannot be opened is tried again later
    sources: whether to open token sources, which runs code of the operator and may connect

    Raises ``CertificateError`` or ``SourcesError`` when something cannot be loaded; nothing new is open then.
    """
    before = previous or _EMPTY
    known = {route.settings: route for route in before.routes}
    settings = replace(
        settings, routes=tuple(known[route].settings if route in known else route for route in settings.routes)
    )
    keys = [*map(listener_key, settings.listeners), *map(backend_key, settings.routes)]
    tls = load_all([key for key in keys if key is not None], before.tls, keep=keep)
    lookups = _open_sources(settings, before, patient=patient) if sources else {}
    users = _users(before)
    routes = []
    for route in settings.routes:
        old = known.get(route)
        stays = old is not None and old.lookups is lookups.get(route.name)
        if old is None or not stays:
            old = _make_route(route, before, tls.live, lookups, users)
        routes.append(old)
    listeners = [_make_listener(listener, before, tls.live) for listener in settings.listeners]
    return Site(settings, routes, listeners, tls.live, tls.renewals)


def discard(site: Site, kept: Site) -> None:
    """Closes what belongs to ``site`` but not to ``kept``."""
    for lookups in _lookups(site) - _lookups(kept):
        lookups.close()


def _lookups(site: Site) -> set[Lookups]:
    return {route.lookups for route in site.routes if route.lookups is not None}


def _open_sources(settings: Settings, before: Site, *, patient: bool) -> dict[str, Lookups]:
    """Returns the lookups by route name, for routes with tokens.

    Unchanged ones stay, so that the tokens of their sessions are still checked.
    """
    known = {route.name: route.lookups for route in before.routes if route.lookups is not None}
    opened: dict[str, Lookups] = {}
    faults: list[str] = []
    for route in settings.routes:
        token = route.action.token if isinstance(route.action, Tunnel) else None
        if token is None:
            continue
        if route.name in known and known[route.name].settings == token:
            opened[route.name] = known[route.name]
            continue
        try:
            opened[route.name] = open_lookups(route.name, token, patient=patient)
        except (SourceError, CertificateError) as error:
            faults.append(f"the tokens of route {route.name}: {error}")
    if faults:
        for name, lookups in opened.items():
            if known.get(name) is not lookups:
                lookups.close()
        raise SourcesError(faults)
    return opened


def _users(site: Site) -> dict[Basic, Users]:
    """Returns the users by their settings; routes with the same settings share them."""
    found = {}
    for route in site.routes:
        if route.users is not None:
            assert route.settings.auth is not None
            assert route.settings.auth.basic is not None
            found[route.settings.auth.basic] = route.users
    return found


def _make_route(
    route: Route, before: Site, tls: Mapping[TlsKey, LiveTls], lookups: Mapping[str, Lookups], users: dict[Basic, Users]
) -> LiveRoute:
    made = LiveRoute(route, Matcher(route.match), lookups=lookups.get(route.name))
    key = backend_key(route)
    made.tls = None if key is None else tls[key]
    action = route.action
    if isinstance(action, Relay):
        previous = next((old.upstream for old in before.routes if old.name == route.name), None)
        made.upstream = Upstream(route.name, action, previous)
    elif isinstance(action, Tunnel):
        made.tunnels_to = tuple(LiveBackend(route.name, target) for target in action.to)
        made.rules = rules_of(action)
    basic = None if route.auth is None else route.auth.basic
    if basic is not None:
        if basic not in users:
            users[basic] = Users(basic)
        made.users = users[basic]
    return made


def _make_listener(listener: Listener, before: Site, tls: Mapping[TlsKey, LiveTls]) -> LiveListener:
    for old in before.listeners:
        if old.settings == listener:
            return old
    key = listener_key(listener)
    return LiveListener(listener, None if key is None else tls[key])
