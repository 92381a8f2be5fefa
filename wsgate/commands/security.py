"""What a configuration opens, and to whom: the page of ``wsgate check --security``.

It says what is, listener by listener and route by route; what is dangerous in it stands in ``commands.dangers``.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsgate.commands.dangers import dangers
from wsgate.gate.origins import allowed_origins, is_origin_required
from wsgate.settings.access import show_target_rule
from wsgate.settings.model import (
    ANY_ORIGIN,
    AUTH_KINDS,
    SAME_HOST,
    SOURCES,
    Addresses,
    Admin,
    Files,
    Limits,
    Listener,
    PlainAction,
    PlainHttp,
    ProxyProtocol,
    Redirect,
    Relay,
    Respond,
    Route,
    RouteLimits,
    Settings,
    Tls,
    Tunnel,
    UnixAddress,
)
from wsgate.site.acme import challenge_of
from wsgate.text.duration import show_duration
from wsgate.text.host import is_loopback
from wsgate.text.size import show_size

Lines = Iterator[str]


def security_page(settings: Settings) -> list[str]:
    """Returns the page, in lines for people."""
    found = dangers(settings)
    lines = ["listeners"]
    for listener in settings.listeners:
        lines += _indented(_listener(listener, settings))
    lines += ["", "the client's address", *_indented(_client_address(settings))]
    lines += ["", "routes, of which the first that matches takes a request"]
    for route in settings.routes:
        lines += _indented(_route(route))
    lines += ["", "limits of all together", *_indented(_limits(settings.limits))]
    lines += ["", "for operators", *_indented(_admin(settings.admin))]
    lines += ["", "dangers" if found else "no dangers found", *(f"  {danger}" for danger in found)]
    return lines


def _indented(lines: Iterator[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _listener(listener: Listener, settings: Settings) -> Lines:
    kind = "plain" if listener.tls is None else _tls(listener.tls)
    if isinstance(listener.bind, UnixAddress):
        mode = "what the umask leaves" if listener.mode is None else f"{listener.mode:04o}"
        yield f"{listener.bind}: {kind}, to whom the file's mode lets in ({mode})"
    else:
        yield f"{listener.bind}: {kind}, to {_reach(listener)}"
    if listener.addresses is not None:
        yield f"  addresses: {_addresses(listener.addresses)}"
    if listener.tls is not None and listener.tls.acme is not None:
        acme = listener.tls.acme
        by = challenge_of(acme, settings.listeners).value
        yield f"  certificate by ACME for {', '.join(acme.hosts)}, which the CA checks by {by}"
    if listener.redirect is not None:
        yield "  plain HTTP is sent on to https"
    if isinstance(listener.proxy_protocol, ProxyProtocol):
        yield f"  only to balancers: {', '.join(map(str, listener.proxy_protocol.from_))}"


def _tls(tls: Tls) -> str:
    kind = f"{tls.min_version.value} or newer"
    if tls.plaintext:
        kind += ", and plain on the same port"
    if tls.client_ca is not None:
        kind += f", client certificates {tls.client_auth.value}"
    return kind


def _reach(listener: Listener) -> str:
    assert not isinstance(listener.bind, UnixAddress)
    host = listener.bind.host
    if host in ("0.0.0.0", "::"):
        return "everybody who reaches this machine"
    return "this machine alone" if is_loopback(host) else f"who reaches {host}"


def _client_address(settings: Settings) -> Lines:
    if not settings.trusted_proxies:
        yield "that of the connection: no proxy is trusted"
        return
    yield f"as these proxies tell it: {', '.join(map(str, settings.trusted_proxies))}"


def _route(route: Route) -> Lines:
    match = route.match
    hosts = ", ".join(match.host) or "any host"
    yield f"{route.name}: {hosts}, {match.path or 'any path'}"
    yield from _indented(_who(route))
    yield f"  where: {_where(route)}"
    if isinstance(route.action, Relay) and route.http is PlainHttp.FORWARD:
        yield "  plain HTTP goes there, too"
    if isinstance(route.action, Relay | Tunnel):
        yield f"  limits: {', '.join(_route_limits(route))}"


def _who(route: Route) -> Lines:
    everybody = True
    if route.addresses is not None:
        everybody = False
        yield f"who: addresses {_addresses(route.addresses)}"
    if not isinstance(route.action, PlainAction):
        allowed = allowed_origins(route)
        if ANY_ORIGIN not in allowed:
            everybody = False
            pages = ", ".join("those of the same host" if each == SAME_HOST else each for each in allowed)
            programs = "no" if is_origin_required(route, allowed) else "all"
            yield f"who: pages: {pages}; {programs} programs without an Origin"
    auth = route.auth
    if auth is not None:
        everybody = False
        kinds = [kind for kind in AUTH_KINDS if getattr(auth, kind) is not None]
        yield f"who: shows {(' and ' if auth.require.value == 'all' else ' or ').join(kinds)}"
    if everybody:
        yield "who: everybody" + ("" if isinstance(route.action, PlainAction) else ", also by the page of any site")


def _addresses(addresses: Addresses) -> str:
    allow = ", ".join(map(str, addresses.allow)) or "all"
    return f"{allow}, but not {', '.join(map(str, addresses.deny))}" if addresses.deny else allow


def _where(route: Route) -> str:
    action = route.action
    if isinstance(action, Relay):
        named = [str(backend.url) for backend in action.to]
        return ", ".join([*named, *([f"those in {action.to_file}"] if action.to_file else [])])
    if isinstance(action, Tunnel):
        return _tunnel(action)
    if isinstance(action, Files):
        return f"files below {action.root}{', with lists of them' if action.listing else ''}"
    if isinstance(action, Respond):
        return f"the answer {action.status}"
    return (
        f"a redirect to {action.to}"
        if isinstance(action, Redirect)
        else f"the answer whether it is {action.answer.value}"
    )


def _tunnel(tunnel: Tunnel) -> str:
    if tunnel.to:
        return ", ".join(map(str, tunnel.to))
    rules = ", ".join(map(show_target_rule, tunnel.allow))
    within = f" within {rules}" if rules else ""
    but = f" but not {', '.join(map(show_target_rule, tunnel.deny))}" if tunnel.deny else ""
    if tunnel.target is not None:
        return f"what the client names in {', '.join(map(str, tunnel.target.from_))},{within}{but}"
    assert tunnel.token is not None
    source = next((name for name in SOURCES if getattr(tunnel.token, name) is not None), "")
    return f"what the client's token leads to, by {source}{within}{but}"


def _route_limits(route: Route) -> Lines:
    limits: RouteLimits = route.limits
    yield f"sessions {_count(limits.sessions)}"
    if limits.sessions_per_address is not None:
        yield f"of an address {limits.sessions_per_address}"
    if limits.sessions_per_user is not None:
        yield f"of a user {limits.sessions_per_user}"
    if isinstance(route.action, Relay):
        yield f"message {'any size' if limits.message is None else show_size(limits.message)}"
    if limits.frame is not None:
        yield f"frame {show_size(limits.frame)}"
    if limits.messages_per_second is not None:
        yield f"{limits.messages_per_second} messages per second"
    if limits.bytes_per_second is not None:
        yield f"{show_size(limits.bytes_per_second)} per second"
    lifetime = route.timeouts.lifetime
    yield f"lifetime {'any' if lifetime is None else show_duration(lifetime)}"


def _count(number: int | None) -> str:
    return "any number" if number is None else str(number)


def _limits(limits: Limits) -> Lines:
    yield f"sessions: {_count(limits.sessions)}, or as many as there are descriptors for"
    yield f"sessions of a client address: {_count(limits.sessions_per_address)}"
    yield f"upgrades in a second: {_count(limits.upgrades_per_second)}"
    yield f"upgrades in a second of a client address: {_count(limits.upgrades_per_second_per_address)}"
    yield f"connections of a client address that say nothing: {_count(limits.silent_per_address)}"
    if limits.shared is not None:
        yield f"counted together with the gateways on {limits.shared.shown}: of addresses and users, and upgrades"
    yield f"request heads: {show_size(limits.head)}, targets in them: {show_size(limits.target)}"


def _admin(admin: Admin | None) -> Lines:
    if admin is None:
        yield "no admin listener"
        return
    if admin.token is not None:
        what = "everything with the token" + ("" if admin.metrics.value == "token" else ", the metrics without it")
    else:
        what = "everything, without a token"
    yield f"{admin.bind}: {what}; health without it" if admin.token else f"{admin.bind}: {what}"
    if admin.tap.value == "payload":
        yield "  wsgate tap shows what users send"
