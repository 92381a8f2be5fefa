"""The second pass, meaning: values that are right one by one and wrong together, or wrong on this machine.

It gets what the first pass could decode, so a value may be ``Broken`` here: such a value equals nothing, and nothing is
said about it twice.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from wsgate.settings.binds import overlap
from wsgate.settings.decode import Broken
from wsgate.settings.faults import Fault, Warn, check_directory, is_whole, pass_on
from wsgate.settings.meaning_auth import check_access
from wsgate.settings.meaning_order import check_order
from wsgate.settings.meaning_tunnel import check_tunnel
from wsgate.settings.model import (
    ClientAuth,
    Files,
    Limits,
    Listener,
    Match,
    Redirect,
    Relay,
    Route,
    TcpAddress,
    Tls,
    Tunnel,
    UnixAddress,
)
from wsgate.settings.tls import check_backend_tls, check_listener_tls, outdated


def check(settings: Any, fault: Fault, warn: Warn, given: Container[str]) -> None:
    """Note what is wrong with the Settings, or with what there is of them, through ``fault``; and through ``warn`` what
    is right but probably not meant.

    ``given`` has the paths of what the file has. Whoever writes a key wants something, if only its default; so where a
    key can do nothing, it is a fault to write it.
    """
    listeners = _entries(settings, "listeners", Listener)
    routes = _entries(settings, "routes", Route)
    _check_binds(listeners, fault)
    _check_modes(listeners, fault)
    _check_redirects(settings, listeners, fault)
    _check_listener_tls(listeners, fault, warn, given)
    _check_limits(settings, fault, given)
    _check_names(routes, fault)
    _check_messages(routes, fault, given)
    check_order(routes, fault, warn)
    _check_websocket(routes, fault)
    _check_backend_tls(routes, fault, warn, given)
    _check_files(routes, fault)
    everyone = settings.listeners if routes and isinstance(settings.listeners, tuple) else (Broken(),)
    for index, route in routes:
        if isinstance(route.action, Tunnel):
            check_tunnel(route.action, f"routes[{index}].tunnel", fault, warn, given)
        check_access(route, everyone, f"routes[{index}]", fault, warn, given)


def _entries(settings: Any, attribute: str, cls: type) -> list[tuple[int, Any]]:
    """The decoded elements of a list, with their index in the file."""
    elements = getattr(settings, attribute, ())
    return [(i, e) for i, e in enumerate(elements if isinstance(elements, tuple) else ()) if isinstance(e, cls)]


def _check_binds(listeners: list[tuple[int, Any]], fault: Fault) -> None:
    seen: list[tuple[int, Any]] = []
    for index, listener in listeners:
        if isinstance(listener.bind, Broken):
            continue
        for other, bind in seen:
            if why := overlap(listener.bind, bind):
                cure = "remove one of them" if listener.bind == bind else "remove one of them, or change its port"
                if isinstance(bind, UnixAddress):
                    cure = "remove one of them"
                fault(f"listeners[{index}].bind", f"listeners[{other}] {why}: {cure}")
                break
        else:
            seen.append((index, listener.bind))


def _check_modes(listeners: list[tuple[int, Any]], fault: Fault) -> None:
    for index, listener in listeners:
        if isinstance(listener.mode, int) and isinstance(listener.bind, TcpAddress):
            fault(f"listeners[{index}].mode", f"only a Unix socket has a mode, and {listener.bind} is none: remove it")


def _check_redirects(settings: Any, listeners: list[tuple[int, Any]], fault: Fault) -> None:
    for index, listener in listeners:
        if not isinstance(listener.redirect, Redirect):
            continue
        path = f"listeners[{index}].redirect"
        if isinstance(listener.tls, Tls):
            fault(path, "this listener speaks TLS itself: move redirect to the plain listener")
        # What is Broken may have been meant to speak TLS; in front of a trusted proxy, that may speak it.
        elif not settings.trusted_proxies and not any(getattr(other, "tls", True) for other in settings.listeners):
            fault(path, "it leads nowhere, no listener speaks TLS: add one that has tls, or remove redirect")


def _check_listener_tls(listeners: list[tuple[int, Any]], fault: Fault, warn: Warn, given: Container[str]) -> None:
    for index, listener in listeners:
        if not isinstance(listener.tls, Tls):
            continue
        path = f"listeners[{index}].tls"
        auth = f"{path}.client_auth"
        # Even where it is the default: who writes required must not get a listener that takes everybody.
        if auth in given and is_whole(listener.tls.client_auth) and listener.tls.client_ca is None:
            fault(auth, "there is no client_ca to check certificates with: name its file")
        _check_plaintext(listener.tls, path, fault)
        if is_whole(listener.tls):
            pass_on(check_listener_tls(listener.tls), path, fault)
            pass_on(outdated(listener.tls), path, warn)


def _check_plaintext(tls: Tls, path: str, fault: Fault) -> None:
    required = isinstance(tls.client_ca, str) and tls.client_auth is ClientAuth.REQUIRED
    if tls.plaintext is True and required:
        message = "who comes without TLS shows no certificate: remove plaintext, or write client_auth: optional"
        fault(f"{path}.plaintext", message)


def _check_limits(settings: Any, fault: Fault, given: Container[str]) -> None:
    limits = getattr(settings, "limits", None)
    if "limits.target" in given and isinstance(limits, Limits) and is_whole(limits) and limits.target > limits.head:
        fault("limits.target", "a target is a part of its head, which may have less: raise limits.head, or lower this")


def _check_messages(routes: list[tuple[int, Any]], fault: Fault, given: Container[str]) -> None:
    for index, route in routes:
        path = f"routes[{index}].limits.message"
        written = path in given and getattr(route.limits, "message", None) is not None
        if written and isinstance(route.action, Tunnel):
            message = "a tunnel has no messages, it passes a stream of bytes: remove it, or limit frames with frame"
            fault(path, message)


def _check_names(routes: list[tuple[int, Any]], fault: Fault) -> None:
    first: dict[Any, int] = {}
    for index, route in routes:
        if (other := first.setdefault(route.name, index)) != index:
            fault(f"routes[{index}].name", f"routes[{other}] has the name {route.name} already: rename one of them")


def _check_websocket(routes: list[tuple[int, Any]], fault: Fault) -> None:
    for index, route in routes:
        if not isinstance(route.match, Match) or isinstance(route.action, Broken):
            continue
        is_files = isinstance(route.action, Files)
        if route.match.websocket is is_files:
            what = "files are for requests that ask for no WebSocket" if is_files else "it takes WebSockets only"
            cure = str(not is_files).lower()
            fault(f"routes[{index}].match.websocket", f"{what}: write {cure}, or remove it")


def _check_backend_tls(routes: list[tuple[int, Any]], fault: Fault, warn: Warn, given: Container[str]) -> None:
    for index, route in routes:
        if not isinstance(route.action, Relay | Tunnel):
            continue
        tls, to = route.action.tls, route.action.to
        key, scheme = ("relay", "wss://") if isinstance(route.action, Relay) else ("tunnel", "tls://")
        path = f"routes[{index}].{key}.tls"
        if not is_whole(tls):
            continue
        # who shows a token or names a target may be led to one with TLS
        if to and is_whole(to) and path in given and not any(target.tls for target in to):
            fault(
                path, f"it would do nothing, no address in to begins with {scheme}: write {scheme} there, or remove it"
            )
        else:
            pass_on(check_backend_tls(tls), path, fault)
            pass_on(outdated(tls), path, warn)


def _check_files(routes: list[tuple[int, Any]], fault: Fault) -> None:
    for index, route in routes:
        if isinstance(route.action, Files):
            check_directory(route.action.root, f"routes[{index}].files.root", fault)
