"""The second pass, meaning: what a tunnel leads to, who says so, and what of it is recorded."""

from __future__ import annotations

import os
from collections.abc import Container
from typing import Any

from wsgate.settings.entry_points import check_entry_point
from wsgate.settings.faults import (
    Fault,
    Warn,
    at,
    check_choice,
    check_directory,
    check_file,
    is_installed,
    is_there,
    is_whole,
    items,
    pass_on,
)
from wsgate.settings.model import (
    SOURCES,
    ClientTarget,
    Jwt,
    Lookup,
    Place,
    PlaceKind,
    Record,
    Redis,
    TargetRule,
    Token,
    TokenUrl,
    Tunnel,
    UnixAddress,
)
from wsgate.settings.tls import check_backend_tls, outdated
from wsgate.text.error import TextError
from wsgate.text.jwt import signature_algorithm

_JWT_NEEDS = {"jwt": "PyJWT", "cryptography": "cryptography"}  # modules, and what they are installed as


def check_tunnel(tunnel: Tunnel, path: str, fault: Fault, warn: Warn, given: Container[str]) -> None:
    """Note what is wrong with the tunnel at ``path``, but for its TLS, which is checked as a relay's."""
    check_choice(tunnel, ("to", "token", "target"), path, fault)
    if isinstance(tunnel.token, Token):
        _check_token(tunnel.token, f"{path}.token", fault, warn, given)
    if isinstance(tunnel.target, ClientTarget):
        _check_target(tunnel.target, tunnel.allow, path, fault, given)
    if isinstance(tunnel.record, Record):
        check_directory(tunnel.record.directory, f"{path}.record.directory", fault, os.W_OK)


def _check_target(target: ClientTarget, allow: Any, path: str, fault: Fault, given: Container[str]) -> None:
    if allow == ():
        message = "without allow clients reach nothing: write there what they may name, like allow: [10.0.0.0/8:5900]"
        fault(f"{path}.target", message)
    for index, place in items(target.from_):
        if isinstance(place, Place) and place.kind is PlaceKind.HOST:
            message = "the host that is asked for is the gateway, never a target: use query:NAME, header:NAME, "
            fault(at(f"{path}.target.from", index, given), f"{message}cookie:NAME or path")
    for index, rule in items(allow):
        if isinstance(rule, TargetRule) and isinstance(rule.what, UnixAddress):
            fault(at(f"{path}.allow", index, given), "clients can name no Unix socket as their target: remove it")


def _check_token(token: Token, path: str, fault: Fault, warn: Warn, given: Container[str]) -> None:
    check_choice(token, SOURCES, path, fault)
    if isinstance(token.file, str):
        # the files in a directory may come and go
        if os.path.isdir(token.file):
            check_directory(token.file, f"{path}.file", fault, os.R_OK)
        else:
            check_file(token.file, f"{path}.file", fault)
    check_directory(token.directory, f"{path}.directory", fault)
    if isinstance(token.jwt, Jwt):
        _check_jwt(token.jwt, f"{path}.jwt", fault, given)
    if isinstance(token.redis, Redis):
        _check_redis(token.redis, f"{path}.redis", fault, warn)
    _check_url(token, path, fault, warn, given)
    if isinstance(token.python, Lookup) and is_whole(token.python):
        pass_on(check_entry_point(token.python), f"{path}.python", fault)


def _check_jwt(jwt: Jwt, path: str, fault: Fault, given: Container[str]) -> None:
    missing = [name for module, name in _JWT_NEEDS.items() if not is_installed(module)]
    if missing:
        fault(path, f"it needs {' and '.join(missing)}, not installed here: pip install 'wsgate[jwt]'")
    check_choice(jwt, ("key", "jwks"), path, fault)
    check_file(jwt.key, f"{path}.key", fault)
    check_file(jwt.jwks, f"{path}.jwks", fault)
    for index, name in items(jwt.algorithms):
        try:
            if isinstance(name, str):
                signature_algorithm(name)
        except TextError as error:
            fault(at(f"{path}.algorithms", index, given), str(error))


def _check_redis(redis: Redis, path: str, fault: Fault, warn: Warn) -> None:
    if isinstance(redis.user, str) and redis.password_file is None:
        fault(f"{path}.user", "a user needs a password: name its file with password_file")
    check_file(redis.password_file, f"{path}.password_file", fault)
    if redis.tls is None or not is_whole(redis.tls):
        return
    if isinstance(redis.address, UnixAddress):
        fault(f"{path}.tls", "it would do nothing, a Unix socket has no TLS: write host:port in address, or remove it")
    else:
        pass_on(check_backend_tls(redis.tls), f"{path}.tls", fault)
        pass_on(outdated(redis.tls), f"{path}.tls", warn)


def _check_url(token: Token, path: str, fault: Fault, warn: Warn, given: Container[str]) -> None:
    path = f"{path}.url_tls"
    if not is_whole(token.url_tls):
        return
    is_https = isinstance(token.url, TokenUrl) and token.url.tls
    if path in given and is_there(token.url) and not is_https:
        fault(path, "it would do nothing, there is no url with https://: write one, or remove it")
    else:
        pass_on(check_backend_tls(token.url_tls), path, fault)
        pass_on(outdated(token.url_tls), path, warn)
