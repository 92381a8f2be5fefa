"""What is dangerous in a configuration that is valid, with its cure, for ``wsgate check --security``.

Each may be meant: then it can stay. What is never meant is an error, and what is rarely meant a warning of every check.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from wsgate.gate.origins import allowed_origins
from wsgate.settings.access import show_target_rule
from wsgate.settings.model import (
    ANY_ORIGIN,
    Address,
    Auth,
    BackendTls,
    CredentialPlaceKind,
    Listener,
    PlaceKind,
    PlainAction,
    Relay,
    Route,
    Settings,
    TcpAddress,
    Tunnel,
    credential_places,
)
from wsgate.text.host import is_loopback

_WIDE = 8  # bits of a network: one that has fewer is nearly everything


def dangers(settings: Settings) -> list[str]:
    """Returns what is dangerous, each as ``place: what: cure``."""
    found = [*_of_all(settings)]
    plain = [each for each in settings.listeners if _is_overheard(each, settings)]
    for index, route in enumerate(settings.routes):
        found += [f"routes[{index}] {route.name}: {danger}" for danger in _of_route(route, plain)]
    return found


def _of_all(settings: Settings) -> Iterator[str]:
    limits = settings.limits
    for network in settings.trusted_proxies:
        if network.ip is not None and network.ip.prefixlen < _WIDE:
            yield (
                f"trusted_proxies: {network} is nearly everybody, so clients choose the address by which they are let "
                "in and counted: name the proxies alone"
            )
    if limits.sessions_per_address is not None and not settings.trusted_proxies and _is_behind(settings.listeners):
        yield (
            "limits.sessions_per_address: only this machine reaches the listeners. If a proxy does, all of its clients "
            f"are one address, with {limits.sessions_per_address} sessions: name it in trusted_proxies"
        )
    if limits.sessions_per_address is None:
        yield "limits.sessions_per_address: off lets one client take all sessions: write a number"
    if limits.silent_per_address is None:
        yield "limits.silent_per_address: off lets one client hold connections without a word: write a number"
    if limits.shared is not None and limits.shared.is_overheard:
        yield (
            f"limits.shared: who is on the way to {limits.shared.shown} can read its password, and change what clients "
            "have used: write rediss://, or keep that network to yourself"
        )
    admin = settings.admin
    if admin is not None and _is_far(admin.bind):
        yield (
            f"admin: the token crosses the network to {admin.bind} in clear text, and who has it may end sessions: "
            "bind to loopback or a Unix socket, and let a proxy with TLS lead there"
        )


def _is_overheard(listener: Listener, settings: Settings) -> bool:
    """Whether others than this machine may reach a listener without TLS. Behind a proxy that is trusted TLS may have
    ended there."""
    if listener.redirect is not None or settings.trusted_proxies or listener.proxy_protocol is not None:
        return False
    is_plain = listener.tls is None or listener.tls.plaintext
    return is_plain and _is_far(listener.bind)


def _is_behind(listeners: tuple[Listener, ...]) -> bool:
    return all(
        isinstance(each.bind, TcpAddress) and not _is_far(each.bind) and each.proxy_protocol is None
        for each in listeners
    )


def _of_route(route: Route, plain: list[Listener]) -> Iterator[str]:
    action = route.action
    if plain and route.auth is not None and _shows_secrets(route.auth):
        where = ", ".join(str(each.bind) for each in plain)
        yield f"auth: credentials cross the network to {where} in clear text: give that listener tls"
    if not isinstance(action, PlainAction) and ANY_ORIGIN in allowed_origins(route) and _takes_cookies(route):
        yield (
            "origins: any page may open WebSockets with the credentials that its visitor's browser adds, cookies, "
            "passwords or certificates: write origins: same-host, or name the pages"
        )
    if any(place.kind is CredentialPlaceKind.QUERY for place in credential_places(route.auth)):
        yield (
            "auth: credentials in a query stand in the logs of proxies in front, and in browsers' histories: take them "
            "from header: or subprotocol:"
        )
    if isinstance(action, Tunnel):
        yield from _of_tunnel(route, action)
    if isinstance(action, Relay):
        for backend in action.to:
            if not backend.tls and _is_far(backend.address):
                yield f"relay.to: what passes to {backend.url} can be read on the way: write wss://, if it speaks TLS"
    tls = getattr(action, "tls", None)
    if isinstance(tls, BackendTls) and not tls.verify:
        yield "tls.verify: false takes every certificate, so anybody on the way can be the backend: name its ca"


def _of_tunnel(route: Route, tunnel: Tunnel) -> Iterator[str]:
    if tunnel.target is not None:
        if route.auth is None and route.addresses is None:
            yield "tunnel.target: everybody may have the gateway connect to what allow has: write auth or addresses"
        for rule in tunnel.allow:
            what = rule.what
            is_wide = isinstance(what, IPv4Network | IPv6Network) and what.prefixlen < _WIDE
            if what is None or is_wide:
                yield f"tunnel.allow: {show_target_rule(rule)} is nearly everything, this network included: name less"
    elif tunnel.token is not None and not tunnel.allow:
        yield "tunnel.token: who can write tokens can lead clients anywhere: bound it by allow"
    if tunnel.token is not None and any(place.kind is PlaceKind.QUERY for place in tunnel.token.from_):
        yield "tunnel.token: tokens in a query stand in the logs of proxies in front: write header:, or let them expire"
    for target in tunnel.to:
        if not target.tls and _is_far(target.address):
            yield f"tunnel.to: what passes to {target} can be read on the way: write tls://, if it speaks TLS"


def _shows_secrets(auth: Auth) -> bool:
    return any(kind is not None for kind in (auth.basic, auth.jwt, auth.api_keys, auth.forward))


def _takes_cookies(route: Route) -> bool:
    """Whether a browser adds something that lets its user in, whatever page asks."""
    action = route.action
    if route.auth is not None:
        auth = route.auth
        if any(kind is not None for kind in (auth.basic, auth.client_certificate, auth.forward)):
            return True
        return any(place.kind is CredentialPlaceKind.COOKIE for place in credential_places(route.auth))
    if isinstance(action, Tunnel):
        places = [place for asked in (action.token, action.target) if asked is not None for place in asked.from_]
        return any(place.kind is PlaceKind.COOKIE for place in places)
    return isinstance(action, Relay) and all(name.lower() != "cookie" for name in route.headers.to_backend.remove)


def _is_far(address: Address) -> bool:
    """Whether other machines are on the way to an address, or behind it."""
    return isinstance(address, TcpAddress) and not is_loopback(address.host)
