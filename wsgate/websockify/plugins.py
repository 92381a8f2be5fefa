"""websockify's plugins -> keys of the configuration."""

from __future__ import annotations

import base64
import hashlib
import os
import re

from wsgate.commands.line import UsageError
from wsgate.commands.yaml_text import Keys
from wsgate.websockify.flags import Flags

_TOKEN_MODULE = "websockify.token_plugins."
_AUTH_MODULE = "websockify.auth_plugins."
_REDIS_PORT = 6379
_SALT = 8  # bytes, as in OpenLDAP's slappasswd

# One field of TokenRedis's source; in quotes it may contain a colon
_FIELD = re.compile(r'"([^"]+)"(?=:|$)|([^:]*)')


def token_keys(flags: Flags) -> Keys:
    """Returns the keys under ``tunnel.token``. Raises ``UsageError`` when the plugin or its source is wrong."""
    assert flags.token_plugin is not None
    name = flags.token_plugin.removeprefix(_TOKEN_MODULE)
    if flags.token_password_file is not None and name != "TokenRedis":
        raise UsageError("--token-password-file is for --token-plugin TokenRedis")
    keys: Keys = {"from": "host" if flags.host_token else "query:token"}
    if "." in name:
        return {**keys, "python": _entry_point(name, flags.token_source)}
    known = ", ".join(_TOKEN_PLUGINS)
    if name not in _TOKEN_PLUGINS:
        raise UsageError(
            f"--token-plugin: websockify has no {name!r}: write one of {known}, or module.Class of your own"
        )
    if not flags.token_source:
        raise UsageError(f"--token-plugin {name} needs --token-source")
    return {**keys, **_TOKEN_PLUGINS[name](flags)}


def _entry_point(name: str, source: str | None) -> Keys:
    module, _, attribute = name.rpartition(".")
    return {"call": f"{module}:{attribute}", **({} if source is None else {"source": source})}


def _file(flags: Flags) -> Keys:
    return {"file": _path(flags.token_source)}


def _directory(flags: Flags) -> Keys:
    return {"directory": _path(flags.token_source)}


def _jwt(flags: Flags) -> Keys:
    return {"jwt": {"key": _path(flags.token_source)}}


def _url(flags: Flags) -> Keys:
    """websockify's plugin inserts the token by Python's ``%`` operator, so a literal percent sign is doubled."""
    assert flags.token_source is not None
    pieces = re.split("(%.?)", flags.token_source)
    if pieces.count("%s") != 1 or any(piece not in ("%s", "%%") for piece in pieces[1::2]):
        raise UsageError("--token-source: write the URL with %s once, where the token goes, and %% for a percent sign")
    return {"url": "".join({"%s": "{token}", "%%": "%"}.get(piece, piece) for piece in pieces)}


def _redis(flags: Flags) -> Keys:
    """``host[:port[:db[:password[:namespace]]]]``"""
    assert flags.token_source is not None
    values = _redis_fields(flags.token_source)
    if len(values) > 5:
        raise UsageError("--token-source: TokenRedis has host[:port[:db[:password[:namespace]]]], with quotes around :")
    host, port, database, password, namespace = values + [""] * (5 - len(values))
    if password:
        raise UsageError(
            "--token-source: a password on the command line is seen by all users of this machine: leave it out, write "
            "it to a file that only you can read, and use --token-password-file FILE"
        )
    keys: Keys = {"address": f"{bracketed(host)}:{port or _REDIS_PORT}"}
    if database:
        keys["database"] = _number(database, "--token-source: the number of the database")
    if flags.token_password_file is not None:
        keys["password_file"] = os.path.abspath(flags.token_password_file)
    if namespace:
        keys["prefix"] = f"{namespace}:"
    return {"redis": keys}


def _redis_fields(source: str) -> list[str]:
    values, at = [], 0
    while True:
        found = _FIELD.match(source, at)
        assert found is not None  # it also matches the empty text
        values.append(found[1] or found[2] or "")
        at = found.end() + 1
        if at > len(source):
            return values


_TOKEN_PLUGINS = {
    "TokenFile": _file,
    "ReadOnlyTokenFile": _file,
    "TokenFileName": _directory,
    "UnixDomainSocketDirectory": _directory,
    "JWTTokenApi": _jwt,
    "TokenRedis": _redis,
    "JSONTokenApi": _url,
    "BaseTokenAPI": _url,
}


def auth_keys(flags: Flags) -> Keys:
    """Returns the keys ``auth`` and ``origins`` of a route. Raises ``UsageError`` when the plugin or its source is
    wrong."""
    if flags.auth_plugin is None:
        return {}
    name = flags.auth_plugin.removeprefix(_AUTH_MODULE)
    if name not in _AUTH_PLUGINS:
        raise UsageError(
            f"--auth-plugin: wsgate runs no {name!r}: use {', '.join(_AUTH_PLUGINS)}, or a reverse proxy in front that "
            "asks who comes"
        )
    if not (flags.auth_source or "").strip():
        raise UsageError(f"--auth-plugin {name} needs --auth-source")
    return _AUTH_PLUGINS[name](flags)


def _basic(flags: Flags) -> Keys:
    assert flags.auth_source is not None
    user, colon, password = flags.auth_source.partition(":")
    if not user or not colon:
        raise UsageError("--auth-source: BasicHTTPAuth has user:password")
    return {"auth": {"basic": {"users": [f"{user}:{ssha(password)}"]}}}


def ssha(password: str) -> str:
    """Returns a password as LDAP's {SSHA} hash with a new salt, for a file that others may read."""
    salt = os.urandom(_SALT)
    digest = hashlib.sha1(os.fsencode(password) + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def _origins(flags: Flags) -> Keys:
    assert flags.auth_source is not None
    if flags.web_auth:
        raise UsageError("--web-auth: browsers send no Origin for pages, so nobody could open one: leave it out")
    return {"origins": flags.auth_source.split()}


def _names(flags: Flags) -> Keys:
    assert flags.auth_source is not None
    if not flags.verify_client:
        raise UsageError(
            "--auth-plugin ClientCertCNAuth needs --verify-client and --cafile: without, nobody has a name"
        )
    return {"auth": {"client_certificate": {"names": flags.auth_source.split()}}}


_AUTH_PLUGINS = {"BasicHTTPAuth": _basic, "ExpectOrigin": _origins, "ClientCertCNAuth": _names}


def bracketed(host: str) -> str:
    """Returns a host as it is written in front of a port."""
    return f"[{host}]" if ":" in host else host


def _path(source: str | None) -> str:
    assert source is not None
    return os.path.abspath(source)


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{what} is not {text!r}")
    return int(text)
