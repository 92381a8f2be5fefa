"""Says what would become of a request, route by route, without asking anybody: ``wsgate check --explain``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from urllib.parse import urlsplit

from wsgate.gate.auth.identity import NOBODY, Admitted
from wsgate.gate.auth.places import target_without
from wsgate.gate.client import Client, RemoteEnd, client_of
from wsgate.gate.decide import Refused, decide
from wsgate.gate.fields import fields_for_backend
from wsgate.gate.handlers.redirect import location
from wsgate.gate.handlers.relay import host_for
from wsgate.settings.model import (
    AUTH_KINDS,
    SAME_HOST,
    Addresses,
    Files,
    Listener,
    Match,
    Redirect,
    Relay,
    Require,
    Respond,
    State,
    TcpAddress,
    Tls,
    Tunnel,
)
from wsgate.site.listener import LiveListener
from wsgate.site.matching import Matcher, host_name
from wsgate.site.route import LiveRoute
from wsgate.site.site import Site
from wsgate.wire.forwarding import request_fields, via
from wsgate.wire.handshake import check_upgrade
from wsgate.wire.headers import elements
from wsgate.wire.http import HttpServer, Refusal, Request

_SCHEMES = ("ws", "wss", "http", "https")
_OF_THE_UPGRADE = (b"connection", b"sec-websocket-", b"upgrade")  # the backend gets its own
_HERE = TcpAddress("127.0.0.1", 0)


class NotExplained(ValueError):
    """The URL or a field cannot be asked for; the message says why."""


def explain(site: Site, url: str, headers: Sequence[str] = ()) -> list[str]:
    """Returns lines for people: which route takes the request, why those above it do not, and what its backend gets.

    url: with its scheme: ``ws`` and ``wss`` ask for a WebSocket
    headers: more fields of the request, each as ``Name: value``

    Raises ``NotExplained``.
    """
    request, secure = _request(url, headers)
    upgrade = check_upgrade(request)
    end = RemoteEnd(_HERE, _HERE, secure)
    client = client_of(end, request, ())
    listener = _listener(site, secure)
    decided = decide(site, LiveListener(replace(listener, addresses=None)), client, request, upgrade)
    taken = decided.route if isinstance(decided, Refused) else decided
    lines = [] if listener.addresses is None else [f"listener {listener.bind}: {_addresses(listener.addresses)}"]
    for index, route in enumerate(site.routes):
        if route is taken:
            lines.append(f"routes[{index}] {route.name}: takes it")
            break
        reason = "; ".join(_reasons(route.settings.match, request, websocket=upgrade is not None))
        lines.append(f"routes[{index}] {route.name}: {reason or 'does not take it'}")
    if isinstance(decided, Refused):
        lines.append(_refusal(decided.refusal))
    if taken is not None:
        lines += [f"  {line}" for line in _what_follows(_Asked(taken, client, request, site), _written(site, taken))]
    return lines


def _request(url: str, headers: Sequence[str]) -> tuple[Request, bool]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise NotExplained(f"{url!r} is no URL: {error}") from None
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise NotExplained(f"{url!r} is no URL to ask for: write one like ws://chat.example.com/chat/room")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}"]
    if parts.scheme in ("ws", "wss"):
        head += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        head += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    for header in headers:
        if ":" not in header:
            raise NotExplained(f"{header!r} is no header field: write it like 'X-Tenant: acme'")
    http = HttpServer()
    http.receive("\r\n".join([*head, *headers, "", ""]).encode("latin-1", "replace"))
    read = http.next_request()
    if not isinstance(read, Request):
        why = read.detail or read.reason if isinstance(read, Refusal) else "its head does not end"
        raise NotExplained(f"no request can be made of this: {why}")
    return read, parts.scheme in ("wss", "https")


def _listener(site: Site, secure: bool) -> Listener:
    """The first listener that speaks the URL's scheme, or one that only says so."""
    for listener in site.settings.listeners:
        if (listener.tls is not None) is secure:
            return listener
    return Listener(bind=_HERE, tls=Tls() if secure else None)


def _reasons(match: Match, request: Request, *, websocket: bool) -> Iterator[str]:
    """Yields the keys of a match that do not hold, with what was asked for."""
    name, offered = host_name(request.host), elements(request.headers, b"sec-websocket-protocol")
    asked = {
        "host": name or "none",
        "path": request.path,
        "subprotocol": ", ".join(each.decode("latin-1") for each in offered) or "none",
        "websocket": str(websocket).lower(),
    }
    for field in fields(match):
        matcher = Matcher(Match(**{field.name: getattr(match, field.name)}))
        holds = matcher.takes(name, offered, websocket) and matcher.takes_path(request.path)
        if matcher.conditions is not None:
            holds = matcher.conditions(request.headers, request.target)
        if not holds:
            yield f"{field.name} does not match" + (f" {asked[field.name]}" if field.name in asked else "")


def _refusal(refusal: Refusal) -> str:
    detail = f" ({refusal.detail})" if refusal.detail else ""
    return f"answer: {refusal.status} {refusal.reason}{detail}"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request and the route that takes it. User and id are not known: their variables stand for themselves."""

    route: LiveRoute
    client: Client
    request: Request
    site: Site
    user: str = "{user}"
    admitted: Admitted = NOBODY
    request_id: str = "{request_id}"


def _written(site: Site, route: LiveRoute) -> dict[str, str]:
    """Returns what the file has for the values of fields that are from the environment, by the field's name."""
    prefix = f"routes[{site.routes.index(route)}].headers.to_backend."
    written = site.settings.from_environment.items()
    return {path.removeprefix(prefix)[4:]: text for path, text in written if path.startswith(prefix)}


def _what_follows(asked: _Asked, written: Mapping[str, str]) -> Iterator[str]:
    settings, request = asked.route.settings, asked.request
    if settings.addresses is not None:
        yield _addresses(settings.addresses)
    if settings.origins:
        yield f"pages that may open it: {', '.join(settings.origins)}"
    if settings.cors is not None:
        yield f"pages that may read its answers: {', '.join(each for each in settings.origins if each != SAME_HOST)}"
    if settings.auth is not None:
        kinds = [kind for kind in AUTH_KINDS if getattr(settings.auth, kind) is not None]
        yield f"asks for {(' or ' if settings.auth.require is Require.ANY else ' and ').join(kinds)}"
    action = settings.action
    if isinstance(action, Relay):
        yield from _relay(asked, action, written)
    elif isinstance(action, Tunnel):
        yield from _tunnel(action)
    elif isinstance(action, Files):
        yield f"files below {action.root}"
    elif isinstance(action, Respond):
        yield f"answer: {action.status}"
    elif isinstance(action, State):
        yield f"answer: whether the gateway is {action.answer.value}"
    elif isinstance(action, Redirect):
        target = location(action.to, settings, request, asked.client.name).decode("latin-1")
        yield f"answer: {action.status}, to {target}"


def _addresses(addresses: Addresses) -> str:
    allow = ", ".join(map(str, addresses.allow)) or "all"
    return f"addresses: {allow}" + (f" but {', '.join(map(str, addresses.deny))}" if addresses.deny else "")


def _relay(asked: _Asked, action: Relay, written: Mapping[str, str]) -> Iterator[str]:
    balance, request = action.balance, asked.request
    policy = f"by the hash of {balance.hash}" if balance.hash is not None else balance.policy.value
    assert asked.route.upstream is not None
    entries, auth = asked.route.upstream.entries, asked.route.auth
    sent = request.target if auth is None else target_without(auth.places, request.target)
    for backend in entries:
        target = asked.route.rewriter.target(sent, backend.url.path)
        if isinstance(target, Refusal):
            yield _refusal(target)
            return
        host = host_for(backend.url, action, request.host).decode("latin-1")
        yield f"backend {backend.url}: GET {target.decode('latin-1')}, Host: {host}"
    if not entries:
        yield f"no backend: {action.to_file} has none"
    if len(entries) > 1:
        yield f"balance: {policy}"
    yield from _fields(asked, written)


def _fields(asked: _Asked, written: Mapping[str, str]) -> Iterator[str]:
    """Yields the fields that the gateway writes for a backend, and those of the request that it drops.

    written: shown instead of the values of these fields
    """
    request, fields = asked.request, fields_for_backend(asked)
    for name, value in [*fields.written, *via(request, fields.dropped)]:
        yield f"it gets {name.decode()}: {written.get(name.decode(), value.decode('latin-1'))}"
    passed_on = request_fields(request, request.host, fields.written, fields.dropped)
    for field in request.raw_headers:
        if field not in passed_on and not field[0].lower().startswith(_OF_THE_UPGRADE):
            yield f"it does not get {field[0].decode()}: {field[1].decode('latin-1')}"


def _tunnel(action: Tunnel) -> Iterator[str]:
    for target in action.to:
        yield f"target {target}"
    if action.token is not None:
        yield f"target by the token in {', '.join(map(str, action.token.from_))}"
    if action.target is not None:
        yield f"target that the client names in {', '.join(map(str, action.target.from_))}"
