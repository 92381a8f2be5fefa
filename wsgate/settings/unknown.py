"""Guesses what an unknown key was meant to be: a key of another mapping, a word of another program, or a typing
error."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from wsgate.settings.keys import item_type, keys_of, text_type
from wsgate.settings.model import PAIRS, Settings
from wsgate.text.error import quote

# The place of a mapping in the model: keys from the top, with [] for the items of a list.
_Place = tuple[str, ...]

# Words of nginx, HAProxy, Traefik, Caddy, compose files and websockify, and the corresponding keys here.
_OTHER_WORDS = {
    **dict.fromkeys(("listen", "port", "ports", "entrypoints", "entry_points", "addr", "host"), ("bind",)),
    **dict.fromkeys(("frontend", "frontends"), ("listeners",)),
    **dict.fromkeys(("server", "servers"), ("to", "listeners")),
    "address": ("bind", "to"),
    **dict.fromkeys(("location", "locations", "path_prefix", "prefix", "uri"), ("path",)),
    **dict.fromkeys(("proxy_pass", "upstream", "upstreams", "backend", "backends", "bakend"), ("to",)),
    **dict.fromkeys(("destination", "dest", "reverse_proxy", "services", "loadbalancer", "url"), ("to",)),
    **dict.fromkeys(("rule", "rules", "router", "routers"), ("routes", "match")),
    **dict.fromkeys(("hostname", "server_name", "domain", "domains"), ("host",)),
    **dict.fromkeys(("ssl", "https"), ("tls",)),
    **dict.fromkeys(("cert", "certfile", "ssl_certificate", "crt", "cert_file"), ("certificate",)),
    **dict.fromkeys(("keyfile", "ssl_certificate_key", "key_file", "private_key"), ("key",)),
    **dict.fromkeys(("alias", "static", "web", "document_root"), ("root",)),
    **dict.fromkeys(("logging", "logs"), ("log",)),
    **dict.fromkeys(("log_level", "loglevel", "verbosity"), ("level",)),
    **dict.fromkeys(("max_message_size", "max_payload", "maxpayload", "max_size", "max_message"), ("message",)),
    **dict.fromkeys(("ping", "pings", "ping_interval", "keepalive", "every"), ("interval",)),
    **dict.fromkeys(("proxy_read_timeout", "idle_timeout", "idletimeout", "read_timeout", "read"), ("idle",)),
    **dict.fromkeys(("proxy_connect_timeout", "connect_timeout"), ("connect",)),
    **dict.fromkeys(("allowed_origins", "origin"), ("origins",)),
    **dict.fromkeys(("ip_whitelist", "whitelist", "ip_allow_list", "allowed_ips", "ips", "acl"), ("addresses",)),
    **dict.fromkeys(("max_connections", "maxconn", "worker_connections"), ("sessions",)),
    **dict.fromkeys(("worker_processes", "nbproc", "nbthread"), ("workers",)),
    **dict.fromkeys(("return", "redir", "redirects"), ("redirect",)),
    **dict.fromkeys(("strip_prefix", "stripprefix", "strip_path", "uri_strip_prefix", "handle_path"), ("strip",)),
    **dict.fromkeys(("prefix_rewrite", "path_rewrite", "url_rewrite", "replace_path"), ("rewrite",)),
    **dict.fromkeys(("static_response", "direct_response", "fixed_response", "response"), ("respond",)),
    **dict.fromkeys(("try_files", "spa", "fallback_file", "not_found"), ("fallback",)),
    **dict.fromkeys(("code", "status_code", "permanent"), ("status",)),
    **dict.fromkeys(("content", "text_body", "json"), ("body",)),
    **dict.fromkeys(("basic_auth", "auth_basic", "basicauth"), ("basic",)),
    **dict.fromkeys(("apikey", "apikeys", "key_auth", "keyauth", "x_api_key"), ("api_keys",)),
    **dict.fromkeys(("client_cert", "client_certs", "mtls", "ssl_verify_client"), ("client_certificate",)),
    **dict.fromkeys(("sans", "alt_names", "subject_alt_names", "uris", "dns"), ("san",)),
    "satisfy": ("require",),
    **dict.fromkeys(("add_header", "more_set_headers", "response_headers", "customresponseheaders"), ("headers",)),
    **dict.fromkeys(("proxy_set_header", "request_headers", "customrequestheaders", "header_up"), ("headers",)),
    **dict.fromkeys(("protocols", "protocol"), ("subprotocol", "subprotocols")),
}

# The first keys of files of docker compose, Kubernetes and Traefik.
_OTHER_FILES = frozenset(
    {"version", "services", "networks", "volumes", "apiversion", "kind", "metadata", "http", "tcp"}
)

# How a field's name is written where it stands beside one of these keys.
_FIELDS_UNDER = {"to_client": "to_client, like {to_client: {set: {X-Frame-Options: DENY}}}", "set": "set or add"}


@dataclass(frozen=True, slots=True)
class KeyGuess:
    """The message about an unknown key, and the keys of this mapping that it was probably meant to be or to be
    under."""

    cure: str
    keys: frozenset[str] = frozenset()


def guess_key(name: str, path: str, known: Collection[str]) -> KeyGuess:
    """Guesses the meaning of the unknown key ``name`` in the mapping at ``path``, whose keys are ``known``."""
    before_colon, colon, rest = name.partition(":")
    if colon and before_colon in known:
        return KeyGuess(f"write a blank behind the colon: '{before_colon}: {rest}'", frozenset({before_colon}))
    here: _Place = tuple(part for part in re.sub(r"\[[0-9]+\]", ".[]", path).split(".") if part)
    for number in (f"{name}s", name.removesuffix("s")):
        if number in known:
            return KeyGuess(f"did you mean {quote(number)}?", frozenset({number}))
    lower = name.lower().replace("-", "_")
    words = _OTHER_WORDS.get(lower, ())
    for word in words:
        if word in known:
            return KeyGuess(f"here it is {quote(word)}", frozenset({word}))
    if not here and lower in _OTHER_FILES:
        return KeyGuess(f"this is of another program's file; the keys here are {', '.join(known)}")
    if places := _nearest(name, here):
        return _belongs(places, here, path)
    if lower in known:
        return KeyGuess(f"write {quote(lower)}", frozenset({lower}))
    for word in words:
        if places := _nearest(word, here):
            found = _belongs(places, here, path)
            return KeyGuess(f"here it is {quote(word)}, and {found.cure}", found.keys)
    if near := difflib.get_close_matches(name, known, 1, 0.7):
        return KeyGuess(f"did you mean {quote(near[0])}?", frozenset(near))
    for key, way in _FIELDS_UNDER.items():
        if key in known:
            return KeyGuess(f"the keys here are {', '.join(known)}; a header field is written under {way}")
    return KeyGuess(f"the keys here are {', '.join(known)}")


def _nearest(name: str, here: _Place) -> list[_Place]:
    """Returns the nearest mappings that have the key, by steps in the tree; those below come before those beside."""
    best: list[_Place] = []
    least = (99, 99)
    for parent in _parents().get(name, ()):
        common = _common(parent, here)
        up = sum(part != "[]" for part in here[common:])
        down = sum(part != "[]" for part in parent[common:])
        if (distance := (up + down, up)) < least:
            best, least = [], distance
        if distance == least:
            best.append(parent)
    return best


def _belongs(places: list[_Place], here: _Place, path: str) -> KeyGuess:
    """Says where a key belongs, seen from ``here``."""
    common = _common(places[0], here)
    below = list(dict.fromkeys(_down(place[common:]) for place in places if _common(place, here) == common))
    where = " or ".join(below[:3])
    base = _ancestor(path, here, common)
    keys = frozenset(place[common] for place in places if common == len(here) and len(place) > common)
    if common == len(here):
        return KeyGuess(f"it belongs under {where}", keys)
    top = "at the top of the file" if not base else f"of {base}"
    if not where:
        return KeyGuess(f"it belongs {'to ' + base if base else top}, beside {quote(here[common])}")
    return KeyGuess(f"it belongs under {where}, {top}" if not base else f"it belongs under {where} {top}")


def _down(steps: _Place) -> str:
    """Describes steps down: ``match``, ``tunnel.token``, ``an item of listeners``; empty for none."""
    if not steps:
        return ""
    if "[]" in steps:
        last = len(steps) - 1 - steps[::-1].index("[]")
        items = f"an item of {quote(_dotted(steps[:last]))}"
        return f"{quote(_dotted(steps[last + 1 :]))} in {items}" if steps[last + 1 :] else items
    return quote(_dotted(steps))


def _dotted(steps: _Place) -> str:
    return ".".join(steps).replace(".[]", "")


def _ancestor(path: str, here: _Place, common: int) -> str:
    """Returns the first part of ``path`` that has ``common`` steps."""
    parts = re.findall(r"[^.\[\]]+|\[[0-9]+\]", path)[:common]
    return ".".join(parts).replace(".[", "[")


def _common(one: _Place, other: _Place) -> int:
    """Returns how many steps two places share from the top; a list and its items count as one."""
    count = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    if count < len(other) and other[count] == "[]":
        return count - 1
    return count


@functools.cache
def _parents() -> dict[str, list[_Place]]:
    """Returns the places of the mappings that have a key, by key."""
    found: dict[str, list[_Place]] = {}
    for name, place in _keys_below(Settings, ()):
        found.setdefault(name, []).append(place)
    for name, places in found.items():  # who writes bind means a listener, hardly admin's
        found[name] = [place for place in places if place[:1] != ("admin",)] or places
    return found


def _keys_below(cls: type, place: _Place) -> Iterator[tuple[str, _Place]]:
    for key in keys_of(cls).values():
        yield key.name, place
        item = item_type(key.type)
        below = item or key.type
        # what may be written as one text is no place where a key is looked for first
        if text_type(below) is None and below not in PAIRS:
            yield from _keys_below(below, (*place, key.name, "[]") if item else (*place, key.name))
