"""The second pass over a configuration: finds values that are valid alone but not together.

It gets what the first pass could decode, so a value may be ``Broken``. Such a value is equal to no other, and its fault
is reported already.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from wsgate.settings.draft import Broken, is_whole
from wsgate.settings.faults import ReportFault, ReportWarning
from wsgate.settings.meaning_admin import check_admin, check_states
from wsgate.settings.meaning_auth import check_access, check_addresses
from wsgate.settings.meaning_compression import check_compression, check_routes_compression
from wsgate.settings.meaning_cors import check_cors
from wsgate.settings.meaning_headers import check_headers
from wsgate.settings.meaning_order import check_order
from wsgate.settings.meaning_redirect import check_redirects
from wsgate.settings.meaning_relay import check_relay
from wsgate.settings.meaning_rewrite import check_rewrite
from wsgate.settings.meaning_tls import check_listeners_tls, check_routes_tls
from wsgate.settings.meaning_tunnel import check_tunnel
from wsgate.settings.model import (
    Limits,
    Listener,
    ListenerRedirect,
    Match,
    PlainAction,
    PlainHttp,
    RedisUrl,
    Relay,
    Respond,
    Route,
    RouteLimits,
    TcpAddress,
    Tls,
    Tunnel,
    Upgrades,
)


def check(settings: Any, fault: ReportFault, warn: ReportWarning, given: Container[str]) -> None:
    """Checks the settings, which may have ``Broken`` parts.

    fault: reports a problem
    warn: reports what is valid but probably not meant
    given: the paths of the values in the file; a key without effect is a fault if the file has it, also with its
    default
    """
    listeners = _entries(settings, "listeners", Listener)
    routes = _entries(settings, "routes", Route)
    _check_listeners(listeners, fault)
    _check_redirects(settings, listeners, fault)
    check_listeners_tls(listeners, fault, given)
    _check_limits(getattr(settings, "limits", None), fault, warn, given)
    _check_log(getattr(settings, "log", None), fault)
    check_admin(getattr(settings, "admin", None), routes, fault)
    check_states(routes, fault, given)
    _check_names(routes, fault)
    _check_messages(routes, fault, given)
    _check_sessions(routes, fault, given)
    _check_rates(routes, fault, given)
    defaults = getattr(settings, "defaults", None)
    check_compression(getattr(defaults, "compression", None), "defaults.compression", fault, given)
    check_routes_compression(routes, fault, given)
    check_order(routes, fault, warn)
    check_redirects(listeners, routes, fault, warn)
    _check_websocket(routes, fault)
    _check_responses(routes, fault, given)
    _check_http(routes, fault)
    check_routes_tls(routes, fault, given)
    everyone = settings.listeners if routes and isinstance(settings.listeners, tuple) else (Broken(),)
    for index, route in routes:
        if isinstance(route.action, Relay):
            check_rewrite(route, f"routes[{index}].relay", fault, warn)
            check_relay(route.action, f"routes[{index}].relay", fault, warn, given)
        if isinstance(route.action, Tunnel):
            check_tunnel(route.action, f"routes[{index}].tunnel", fault, given)
        check_access(route, everyone, f"routes[{index}]", fault, warn, given)
        check_cors(route, f"routes[{index}]", fault)
        check_headers(route, everyone, settings.request_id, f"routes[{index}]", fault, warn, given)


def _entries(settings: Any, attribute: str, cls: type) -> list[tuple[int, Any]]:
    """Returns the decoded elements of a list, with their index in the file."""
    elements = getattr(settings, attribute, ())
    return [(i, e) for i, e in enumerate(elements if isinstance(elements, tuple) else ()) if isinstance(e, cls)]


def _check_listeners(listeners: list[tuple[int, Any]], fault: ReportFault) -> None:
    for index, listener in listeners:
        if isinstance(listener.mode, int) and isinstance(listener.bind, TcpAddress):
            fault(f"listeners[{index}].mode", f"only a Unix socket has a mode, and {listener.bind} is none: remove it")
        check_addresses(listener.addresses, f"listeners[{index}].addresses", fault)


def _check_redirects(settings: Any, listeners: list[tuple[int, Any]], fault: ReportFault) -> None:
    for index, listener in listeners:
        if not isinstance(listener.redirect, ListenerRedirect):
            continue
        path = f"listeners[{index}].redirect"
        if isinstance(listener.tls, Tls):
            fault(path, "this listener speaks TLS itself: move redirect to the plain listener")
        # A Broken value may have been meant for TLS; behind a trusted proxy, the proxy may use TLS.
        elif not settings.trusted_proxies and not any(getattr(other, "tls", True) for other in settings.listeners):
            fault(path, "it leads nowhere, no listener speaks TLS: add one that has tls, or remove redirect")


def _check_limits(limits: Any, fault: ReportFault, warn: ReportWarning, given: Container[str]) -> None:
    if not isinstance(limits, Limits):
        return
    if "limits.target" in given and is_whole(limits) and limits.target > limits.head:
        fault("limits.target", "a target is a part of its head, which may have less: raise limits.head, or lower this")
    shared = limits.shared
    if isinstance(shared, RedisUrl) and shared.password is not None and shared.is_overheard:
        scheme = str(shared).partition(":")[0]
        cure = f"write {scheme.replace('redis', 'rediss')}://, or lead there by a tunnel that has TLS"
        warn("limits.shared", f"the password crosses the network in clear text: {cure}")


def _check_log(log: Any, fault: ReportFault) -> None:
    interval = getattr(log, "interval", None)
    if isinstance(interval, float) and interval < 1:
        fault("log.interval", "so many lines nobody reads: write at least 1s, or off")


def _check_rates(routes: list[tuple[int, Any]], fault: ReportFault, given: Container[str]) -> None:
    for index, route in routes:
        limits = route.limits
        if isinstance(limits, RouteLimits) and limits.messages_per_second is limits.bytes_per_second is None:
            for key in ("over", "burst"):
                if f"routes[{index}].limits.{key}" in given:
                    message = "no rate is limited here: write messages_per_second or bytes_per_second, or remove it"
                    fault(f"routes[{index}].limits.{key}", message)


_INSTEAD = {"message": "remove it, or limit frames with frame", "fragments": "remove it"}


def _check_messages(routes: list[tuple[int, Any]], fault: ReportFault, given: Container[str]) -> None:
    for index, route in routes:
        if not isinstance(route.action, Tunnel):
            continue
        for key in ("message", "fragments"):
            path = f"routes[{index}].limits.{key}"
            if path in given and getattr(route.limits, key, None) is not None:
                fault(path, f"a tunnel has no messages, it passes a stream of bytes: {_INSTEAD[key]}")


# Limits that only a route with sessions has
_OF_SESSIONS = ("sessions", "sessions_per_address", "sessions_per_user", "messages_per_second", "bytes_per_second")


def _check_sessions(routes: list[tuple[int, Any]], fault: ReportFault, given: Container[str]) -> None:
    for index, route in routes:
        path = f"routes[{index}].limits"
        for key in _OF_SESSIONS:
            if f"{path}.{key}" not in given or getattr(route.limits, key, None) is None:
                continue
            if isinstance(route.action, PlainAction):
                fault(f"{path}.{key}", "this route has no sessions: remove it")
            elif key == "sessions_per_user" and route.auth is None:
                fault(f"{path}.{key}", "without auth nobody is known as a user here: write auth, or remove this")


def _check_names(routes: list[tuple[int, Any]], fault: ReportFault) -> None:
    first: dict[Any, int] = {}
    for index, route in routes:
        if (other := first.setdefault(route.name, index)) != index:
            fault(f"routes[{index}].name", f"routes[{other}] has the name {route.name} already: rename one of them")


def _check_websocket(routes: list[tuple[int, Any]], fault: ReportFault) -> None:
    for index, route in routes:
        if not isinstance(route.match, Match) or isinstance(route.action, Broken):
            continue
        is_plain = isinstance(route.action, PlainAction)
        if not is_plain and route.http is PlainHttp.FORWARD:
            continue
        if route.match.websocket is is_plain:
            what = "it takes only requests that ask for no WebSocket" if is_plain else "it takes WebSockets only"
            cure = str(not is_plain).lower()
            fault(f"routes[{index}].match.websocket", f"{what}: write {cure}, or remove it")


_NO_BODY = (204, 205, 304)  # RFC 9110 §15.3.5, §15.3.6, §15.4.5


def _check_responses(routes: list[tuple[int, Any]], fault: ReportFault, given: Container[str]) -> None:
    for index, route in routes:
        action = route.action
        if isinstance(action, Respond) and action.status in _NO_BODY and f"routes[{index}].respond.body" in given:
            fault(f"routes[{index}].respond.body", f"an answer with status {action.status} has no body: remove it")


def _check_http(routes: list[tuple[int, Any]], fault: ReportFault) -> None:
    for index, route in routes:
        if route.upgrade is Upgrades.ANY and route.http is PlainHttp.REJECT:
            fault(f"routes[{index}].upgrade", "any goes through only with http: forward: write it, or remove this")
        if route.http is not PlainHttp.FORWARD or isinstance(route.action, Broken):
            continue
        path = f"routes[{index}].http"
        if not isinstance(route.action, Relay):
            fault(path, "only relay has backends that speak HTTP: remove it")
        elif isinstance(route.match, Match) and route.match.websocket is True:
            fault(path, "match.websocket is true, so no other request comes here: remove one of them")
