"""Translates the flags of ``wsgate relay`` to a configuration in the style of a handwritten one."""

from __future__ import annotations

import os
import re
import shlex

from wsgate.commands.line import UsageError
from wsgate.commands.relay_flags import RelayFlags
from wsgate.commands.yaml_text import Keys, PlainWord, word, write

_HEAD = "# What a `wsgate relay` command line stands for. Run it with: wsgate serve FILE"


def to_yaml(flags: RelayFlags) -> str:
    """Returns the text of the configuration. Raises ``UsageError`` when it cannot express the flags."""
    settings: Keys = {"listeners": [_listener(flags)]}
    if flags.trusted_proxies is not None:
        settings["trusted_proxies"] = _items(flags.trusted_proxies)
    if flags.sessions_per_address is not None:
        settings["limits"] = {"sessions_per_address": word(flags.sessions_per_address)}
    if flags.workers is not None:
        settings["workers"] = word(flags.workers)
    settings["log"] = {"format": "text", **({"level": "debug"} if flags.verbose else {})}
    settings["routes"] = _routes(flags)
    head = _HEAD
    if flags.log_file is not None:
        head += f" 2>>{shlex.quote(os.path.abspath(flags.log_file))}"
    return f"{head}\n{write(settings)}"


def _listener(flags: RelayFlags) -> Keys:
    listener: Keys = {"bind": _bind(flags.listen)}
    if flags.cert is not None:
        tls: Keys = {"certificate": os.path.abspath(flags.cert)}
        if flags.key is not None:
            tls["key"] = os.path.abspath(flags.key)
        if flags.key_password_file is not None:
            tls["password_file"] = os.path.abspath(flags.key_password_file)
        listener["tls"] = tls
    return listener


def _bind(text: str) -> str:
    if text.startswith("unix:"):
        return f"unix:{os.path.abspath(text.removeprefix('unix:'))}"
    host, colon, port = text.rpartition(":")
    if not re.fullmatch("[0-9]{1,5}", port) or (colon and text.endswith("]")):
        cure = f"{text}:8080" if not colon or text.endswith("]") else "8080 or 127.0.0.1:8080"
        raise UsageError(f"[HOST:]PORT: {text!r} has no port: write {cure}, say")
    return f"{host or '0.0.0.0'}:{int(port)}"


def _routes(flags: RelayFlags) -> list[Keys]:
    route: Keys = {"name": "relay"}
    match: Keys = {}
    if flags.path is not None:
        match["path"] = flags.path
    if flags.web is not None:
        match["websocket"] = True
    if match:
        route["match"] = match
    origins = _items(flags.origins)
    route["origins"] = origins[0] if len(origins) == 1 else origins
    if flags.heartbeat is not None:
        is_off = flags.heartbeat == "off"
        route["heartbeat"] = PlainWord("off") if is_off else {"interval": flags.heartbeat}
    if flags.idle is not None:
        route["timeouts"] = {"idle": word(flags.idle)}
    if flags.message_size is not None:
        route["limits"] = {"message": word(flags.message_size)}
    route["relay"] = _relay(flags)
    if flags.web is None:
        return [route]
    return [route, {"name": "web", "files": {"root": os.path.abspath(flags.web)}}]


def _relay(flags: RelayFlags) -> Keys:
    urls = [_url(url) for url in flags.urls]
    relay: Keys = {"to": urls[0] if len(urls) == 1 else urls}
    if flags.balance is not None:
        relay["balance"] = flags.balance
    if flags.hash is not None:
        relay["balance"] = {"hash": flags.hash}
    if flags.host is not None:
        relay["host"] = flags.host
    tls: Keys = {}
    if flags.ca is not None:
        tls["ca"] = os.path.abspath(flags.ca)
    if flags.server_name is not None:
        tls["server_name"] = flags.server_name
    if flags.insecure:
        tls["verify"] = False
    if tls:
        relay["tls"] = tls
    return relay


def _url(text: str) -> str:
    """Returns a URL; the path of a Unix socket begins at the root then, as the configuration wants it."""
    if not text.startswith("unix:") or text.startswith("unix:/"):
        return text
    file, colon, path = text.removeprefix("unix:").partition(":")
    return f"unix:{os.path.abspath(file)}{colon}{path}"


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]
