"""The second pass: checks where a tunnel leads, and what decides it."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from wsgate.settings.draft import is_whole
from wsgate.settings.faults import ReportFault, check_choice, is_there, items
from wsgate.settings.meaning_jwt import check_algorithms
from wsgate.settings.meaning_tls import check_backend_tls
from wsgate.settings.model import (
    SOURCES,
    ClientTarget,
    Jwt,
    Place,
    PlaceKind,
    Redis,
    TargetRule,
    Token,
    TokenUrl,
    Tunnel,
    UnixAddress,
)


def check_tunnel(tunnel: Tunnel, path: str, fault: ReportFault, given: Container[str]) -> None:
    """Checks the tunnel at ``path`` without its TLS, which is checked like a relay's."""
    check_choice(tunnel, ("to", "token", "target"), path, fault)
    if isinstance(tunnel.token, Token):
        _check_token(tunnel.token, f"{path}.token", fault, given)
    if isinstance(tunnel.target, ClientTarget):
        _check_target(tunnel.target, tunnel.allow, path, fault)


def _check_target(target: ClientTarget, allow: Any, path: str, fault: ReportFault) -> None:
    if allow == ():
        message = "without allow clients reach nothing: write there what they may name, like allow: [10.0.0.0/8:5900]"
        fault(f"{path}.target", message)
    for index, place in items(target.from_):
        if isinstance(place, Place) and place.kind is PlaceKind.HOST:
            message = "the host that is asked for is the gateway, never a target: use query:NAME, header:NAME, "
            fault(f"{path}.target.from[{index}]", f"{message}cookie:NAME or path")
    for index, rule in items(allow):
        if isinstance(rule, TargetRule) and isinstance(rule.what, UnixAddress):
            fault(f"{path}.allow[{index}]", "clients can name no Unix socket as their target: remove it")


def _check_token(token: Token, path: str, fault: ReportFault, given: Container[str]) -> None:
    check_choice(token, SOURCES, path, fault)
    if isinstance(token.jwt, Jwt):
        _check_jwt(token.jwt, f"{path}.jwt", fault)
    if isinstance(token.redis, Redis):
        _check_redis(token.redis, f"{path}.redis", fault)
    _check_url(token, path, fault, given)


def _check_jwt(jwt: Jwt, path: str, fault: ReportFault) -> None:
    check_choice(jwt, ("key", "jwks"), path, fault)
    check_algorithms(jwt.algorithms, f"{path}.algorithms", fault)


def _check_redis(redis: Redis, path: str, fault: ReportFault) -> None:
    if isinstance(redis.user, str) and redis.password_file is None:
        fault(f"{path}.user", "a user needs a password: name its file with password_file")
    if redis.tls is None or not is_whole(redis.tls):
        return
    if isinstance(redis.address, UnixAddress):
        fault(f"{path}.tls", "it would do nothing, a Unix socket has no TLS: write host:port in address, or remove it")
    else:
        check_backend_tls(redis.tls, f"{path}.tls", fault)


def _check_url(token: Token, path: str, fault: ReportFault, given: Container[str]) -> None:
    path = f"{path}.url_tls"
    if not is_whole(token.url_tls):
        return
    is_https = isinstance(token.url, TokenUrl) and token.url.tls
    if path in given and is_there(token.url) and not is_https:
        fault(path, "it would do nothing, there is no url with https://: write one, or remove it")
    else:
        check_backend_tls(token.url_tls, path, fault)
