"""What is wrong with settings on this machine: files that are not there, packages that are not installed, addresses
that overlap."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from wsgate.net.binds import overlap
from wsgate.net.tls.checks import check_backend_tls, check_listener_tls, outdated
from wsgate.net.tls.contexts import read_file
from wsgate.settings.draft import Broken, Draft, is_whole
from wsgate.settings.model import (
    BackendTls,
    Basic,
    Files,
    Jwt,
    Listener,
    Lookup,
    Record,
    Redis,
    Relay,
    Route,
    Tls,
    Token,
    Tunnel,
    UnixAddress,
)
from wsgate.site.entry_points import check_entry_point
from wsgate.site.machine import check_directory, check_file, is_installed
from wsgate.text.error import TextError
from wsgate.text.htpasswd import Entry, entries, entry

_MAX_NAMED = 10  # wrong lines of one file
_JWT_NEEDS = {"jwt": "PyJWT", "cryptography": "cryptography"}  # modules, and what they are installed as


def check(draft: Draft) -> None:
    """Note what is wrong, and what is out of date. Slow: not for the event loop."""
    listeners = _entries(draft.settings, "listeners", Listener)
    _check_binds(listeners, draft)
    for index, listener in listeners:
        if isinstance(listener.tls, Tls) and is_whole(listener.tls):
            _check_tls(listener.tls, f"listeners[{index}].tls", draft)
    for index, route in _entries(draft.settings, "routes", Route):
        path = f"routes[{index}]"
        action = route.action
        if isinstance(action, Files):
            check_directory(action.root, f"{path}.files.root", draft)
        elif isinstance(action, Relay):
            _check_backend(action.tls, f"{path}.relay.tls", draft)
        elif isinstance(action, Tunnel):
            check_tunnel(action, f"{path}.tunnel", draft)
        if isinstance(basic := getattr(route.auth, "basic", None), Basic):
            check_basic(basic, f"{path}.auth.basic", draft)


def _entries(settings: Any, attribute: str, cls: type) -> list[tuple[int, Any]]:
    """The decoded elements of a list, with their index in the file."""
    elements = getattr(settings, attribute, ())
    return [(i, e) for i, e in enumerate(elements if isinstance(elements, tuple) else ()) if isinstance(e, cls)]


def _check_binds(listeners: list[tuple[int, Any]], draft: Draft) -> None:
    seen: list[tuple[int, Any]] = []
    for index, listener in listeners:
        if isinstance(listener.bind, Broken):
            continue
        for other, bind in seen:
            if why := overlap(listener.bind, bind):
                cure = "remove one of them" if listener.bind == bind else "remove one of them, or change its port"
                if isinstance(bind, UnixAddress):
                    cure = "remove one of them"
                draft.fault(f"listeners[{index}].bind", f"listeners[{other}] {why}: {cure}")
                break
        else:
            seen.append((index, listener.bind))


def _check_tls(tls: Tls | BackendTls, path: str, draft: Draft) -> None:
    pass_on(check_listener_tls(tls) if isinstance(tls, Tls) else check_backend_tls(tls), path, draft)
    for below, message in outdated(tls):
        draft.warn(f"{path}.{below}", message)


def _check_backend(tls: BackendTls | Broken | None, path: str, draft: Draft) -> None:
    """Of TLS that would do nothing, nothing is looked at."""
    if isinstance(tls, BackendTls) and is_whole(tls) and not draft.is_wrong(path):
        _check_tls(tls, path, draft)


def pass_on(faults: Iterable[tuple[str, str]], path: str, draft: Draft) -> None:
    """Note faults whose paths begin below ``path``."""
    for below, message in faults:
        draft.fault(f"{path}.{below}" if below else path, message)


def check_tunnel(tunnel: Tunnel, path: str, draft: Draft) -> None:
    """Note what is wrong with the files of a tunnel."""
    _check_backend(tunnel.tls, f"{path}.tls", draft)
    if isinstance(tunnel.token, Token):
        _check_token(tunnel.token, f"{path}.token", draft)
    if isinstance(tunnel.record, Record):
        check_directory(tunnel.record.directory, f"{path}.record.directory", draft, os.W_OK)


def _check_token(token: Token, path: str, draft: Draft) -> None:
    if isinstance(token.file, str):
        # the files in a directory may come and go
        if os.path.isdir(token.file):
            check_directory(token.file, f"{path}.file", draft, os.R_OK)
        else:
            check_file(token.file, f"{path}.file", draft)
    check_directory(token.directory, f"{path}.directory", draft)
    if isinstance(token.jwt, Jwt):
        _check_jwt(token.jwt, f"{path}.jwt", draft)
    if isinstance(token.redis, Redis):
        check_file(token.redis.password_file, f"{path}.redis.password_file", draft)
        _check_backend(token.redis.tls, f"{path}.redis.tls", draft)
    _check_backend(token.url_tls, f"{path}.url_tls", draft)
    if isinstance(token.python, Lookup) and is_whole(token.python):
        pass_on(check_entry_point(token.python), f"{path}.python", draft)


def _check_jwt(jwt: Jwt, path: str, draft: Draft) -> None:
    missing = [name for module, name in _JWT_NEEDS.items() if not is_installed(module)]
    if missing:
        draft.fault(path, f"it needs {' and '.join(missing)}, not installed here: pip install 'wsgate[jwt]'")
    check_file(jwt.key, f"{path}.key", draft)
    check_file(jwt.jwks, f"{path}.jwks", draft)


def check_basic(basic: Any, path: str, draft: Draft) -> None:
    """Note what is wrong with the users that have passwords."""
    for index, line in enumerate(basic.users if isinstance(basic.users, tuple) else ()):
        item = f"{path}.users[{index}]"
        try:
            wrong = None if isinstance(line, Broken) else _cannot_check(entry(line))
        except TextError:  # noted as a fault of meaning
            continue
        if wrong:
            draft.fault(item if index or item in draft.places else f"{path}.users", wrong)
    if isinstance(basic.file, str):
        _check_users(basic.file, f"{path}.file", draft)


def _check_users(file: str, path: str, draft: Draft) -> None:
    try:
        lines = list(entries(read_file(file)))
    except ValueError as error:
        draft.fault(path, str(error))
        return
    found = [(number, str(line) if isinstance(line, TextError) else _cannot_check(line)) for number, line in lines]
    faults = [f"line {number} of {file!r}: {wrong}" for number, wrong in found if wrong]
    for message in faults[:_MAX_NAMED]:
        draft.fault(path, message)
    if len(faults) > _MAX_NAMED:
        draft.fault(path, f"{len(faults) - _MAX_NAMED} more lines of {file!r} are wrong")


def _cannot_check(line: Entry) -> str | None:
    """Why a user's password cannot be checked here."""
    if line.needs_bcrypt and not is_installed("bcrypt"):
        return "a bcrypt hash needs bcrypt, not installed here: pip install 'wsgate[basic]'"
    return None
