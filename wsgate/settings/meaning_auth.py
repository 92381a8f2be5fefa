"""The second pass: checks who may use a route."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from wsgate.settings.draft import Broken, is_whole
from wsgate.settings.faults import ReportFault, ReportWarning, is_there, items
from wsgate.settings.meaning_jwt import check_jwt
from wsgate.settings.meaning_tls import check_backend_tls
from wsgate.settings.model import (
    ANY_ORIGIN,
    AUTH_KINDS,
    SAME_HOST,
    Addresses,
    Auth,
    Basic,
    ClientCertificateAuth,
    CredentialPlace,
    CredentialPlaceKind,
    Expire,
    ForwardAuth,
    JwtAuth,
    Place,
    PlaceKind,
    PlainAction,
    Relay,
    Require,
    Route,
    Tls,
    Tunnel,
)
from wsgate.text.error import TextError
from wsgate.text.htpasswd import entry, split

_AUTHORIZATION = CredentialPlace(CredentialPlaceKind.HEADER, "authorization")


def check_access(
    route: Route, listeners: Sequence[Any], path: str, fault: ReportFault, warn: ReportWarning, given: Container[str]
) -> None:
    """Checks who may use the route at ``path``; warns if it allows probably more than is meant.

    listeners: may be ``Broken``
    """
    if isinstance(route.action, PlainAction):
        for key in ("origins", "origin_required", "errors"):
            if f"{path}.{key}" in given:
                fault(
                    f"{path}.{key}", "it is about requests for a WebSocket, of which this route takes none: remove it"
                )
    elif f"{path}.origins" not in given:
        _warn_of_pages(route, path, warn)
    for index, page in items(route.origins):
        if page == ANY_ORIGIN and len(route.origins) > 1:
            fault(f"{path}.origins[{index}]", f"{ANY_ORIGIN} lets every page in: remove it, or the others")
    check_addresses(route.addresses, f"{path}.addresses", fault)
    if not isinstance(route.auth, Auth):
        return
    path = f"{path}.auth"
    if asks_for_nothing(route.auth):
        fault(path, f"it asks for nothing: write {', '.join(AUTH_KINDS[:-1])} or {AUTH_KINDS[-1]}, or remove it")
    if isinstance(route.auth.basic, Basic):
        _check_basic(route.auth.basic, f"{path}.basic", fault)
    _check_together(route.auth, path, fault)
    if isinstance(route.auth.jwt, JwtAuth):
        check_jwt(route.auth.jwt, f"{path}.jwt", fault, warn, given)
        if isinstance(route.action, PlainAction) and route.auth.jwt.expire is Expire.CLOSE:
            fault(f"{path}.jwt.expire", "this route has no sessions: remove it")
    if isinstance(route.auth.forward, ForwardAuth):
        _check_forward(route.auth.forward, f"{path}.forward", fault, given)
    if isinstance(route.auth.client_certificate, ClientCertificateAuth) and not any(map(may_ask, listeners)):
        message = "no client can pass, no listener asks for certificates: name the CAs that sign them with client_ca"
        fault(f"{path}.client_certificate", f"{message}, under tls of a listener")


def check_addresses(addresses: Any, path: str, fault: ReportFault) -> None:
    """Checks ``addresses`` of a listener or route. ``addresses``: may be ``None`` or ``Broken``"""
    if isinstance(addresses, Addresses) and not addresses.allow and not addresses.deny:
        fault(path, "it lets everybody in: write allow or deny, or remove it")
    denied = {network for _, network in items(getattr(addresses, "deny", ()))}
    for index, network in items(getattr(addresses, "allow", ())):
        if network in denied:
            fault(f"{path}.allow[{index}]", f"deny has {network} too, and deny wins: remove it from one of them")


def _warn_of_pages(route: Route, path: str, warn: ReportWarning) -> None:
    """Warns about cookies without ``origins``: a browser adds cookies to requests of every page (RFC 6455 §10.2)."""
    if route.auth is not None:  # the default is same-host
        return
    action = route.action
    if isinstance(action, Relay):
        whose = "with its visitor's cookies"
    elif isinstance(action, Tunnel) and _reads_a_cookie(action):
        whose = "with the token in its visitor's cookie"
    else:
        return
    cure = f"write origins: {SAME_HOST}, or name the pages, or write origins: {ANY_ORIGIN}"
    warn(path, f"any web page may open WebSockets here {whose}: {cure}")


def _reads_a_cookie(tunnel: Tunnel) -> bool:
    places = [place for asked in (tunnel.token, tunnel.target) for _, place in items(getattr(asked, "from_", ()))]
    return any(isinstance(place, Place) and place.kind is PlaceKind.COOKIE for place in places)


def _check_basic(basic: Basic, path: str, fault: ReportFault) -> None:
    if basic.users == () and basic.file is None:
        fault(path, "nobody can pass, it has no users: write users, or name a file of htpasswd with file")
    first: dict[str, tuple[int, str]] = {}
    for index, line in items(basic.users):
        if not isinstance(line, str):
            continue
        where = f"{path}.users[{index}]"
        try:
            entry(line)
        except TextError as error:
            fault(where, str(error))
        user, _ = split(line)
        other, same = first.setdefault(user, (index, line))
        # the first pass reports equal texts
        if other != index and same != line:
            fault(where, f"users[{other}] has the user {user!r} already: remove one of them")


def _check_forward(forward: ForwardAuth, path: str, fault: ReportFault, given: Container[str]) -> None:
    path = f"{path}.url_tls"
    if path in given and is_there(forward.url) and not forward.url.tls:
        fault(path, "it would do nothing, url has no https://: write that, or remove it")
    elif is_whole(forward.url_tls):
        check_backend_tls(forward.url_tls, path, fault)


def _check_together(auth: Auth, path: str, fault: ReportFault) -> None:
    """Finds a credential for whose only place another one is needed, too: a request has one ``Authorization``."""
    if auth.basic is None or auth.require is not Require.ALL:
        return
    for kind in AUTH_KINDS:
        places = getattr(getattr(auth, kind), "from_", ())
        if places == (_AUTHORIZATION,):
            cure = "write require: any, or another place in from"
            fault(f"{path}.{kind}.from", f"no client can pass, basic takes this field, too: {cure}")


def asks_for_nothing(auth: Any) -> bool:
    """Whether no client has to show a credential; a ``Broken`` one asks for something."""
    return auth is None or (isinstance(auth, Auth) and all(getattr(auth, kind) is None for kind in AUTH_KINDS))


def may_ask(listener: Any) -> bool:
    """Whether a listener asks for certificates; a ``Broken`` one counts as asking."""
    tls = getattr(listener, "tls", listener)
    return isinstance(tls, Broken) or (isinstance(tls, Tls) and tls.client_ca is not None)
