"""Names in a certificate's subjectAltName (RFC 5280 §4.2.1.6), and patterns of them: ``dns:*.example.com``,
``uri:spiffe://example.com/*``, ``email:*@example.com``, ``ip:10.0.0.0/8``.

Of hosts a ``*`` stands for one or more labels, of URIs for all that follows a slash, of mail addresses for every one of
a domain.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from wsgate.text.error import TextError, quote
from wsgate.text.host import name_or_ipv4

KINDS = ("dns", "uri", "email", "ip")
EXPECTED = "dns:NAME, uri:URI, email:ADDRESS or ip:NETWORK"

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:[!-)+-~]+)(\*?)")
_MAIL = re.compile(r"([!-)+-?A-~]+|\*)@([!-)+-?A-~]+)")


def alt_name_pattern(text: str) -> str:
    """Returns a pattern in its normal form. Raises ``TextError`` when ``text`` is none."""
    kind, _, name = text.partition(":")
    if kind not in KINDS:
        raise TextError(f"{quote(text)} is no name in a certificate: write {EXPECTED}")
    if kind == "dns":
        star, bare = ("*.", name[2:]) if name.startswith("*.") else ("", name)
        return f"dns:{star}{name_or_ipv4(bare)}"
    if kind == "ip":
        try:
            return f"ip:{ipaddress.ip_network(name)}"
        except ValueError:
            raise TextError(f"{quote(text)} is no address or network: write ip:10.0.0.7 or ip:10.0.0.0/8") from None
    if kind == "email":
        mail = _MAIL.fullmatch(name)
        if mail is None:
            raise TextError(f"{quote(text)} is no address: write email:ann@example.com or email:*@example.com")
        return f"email:{mail[1]}@{mail[2].lower()}"
    uri = _URI.fullmatch(name)
    if uri is None or (uri[2] and not re.fullmatch(r"[^:]+://[^/]+/(?:.*/)?", uri[1])):
        cure = "write uri:spiffe://example.com/worker, or a * behind a slash of its path"
        raise TextError(f"{quote(text)} is no URI, or would match other hosts: {cure}")
    return text


def alt_name_matcher(pattern: str) -> Callable[[str, str], bool]:
    """Returns a function from the kind and the name in a certificate to whether a pattern, in its normal form, takes
    it."""
    kind, _, wanted = pattern.partition(":")
    fits = _MATCHERS[kind](wanted)

    def matches(found: str, name: str) -> bool:
        return found == kind and fits(name)

    return matches


def _host(wanted: str) -> Callable[[str], bool]:
    if not wanted.startswith("*."):
        return lambda name: name.lower() == wanted
    suffix = wanted[1:]
    return lambda name: name.lower().endswith(suffix) and len(name) > len(suffix)


def _uri(wanted: str) -> Callable[[str], bool]:
    if not wanted.endswith("*"):
        return lambda name: name == wanted
    prefix = wanted[:-1]
    return lambda name: name.startswith(prefix) and len(name) > len(prefix)


def _mail(wanted: str) -> Callable[[str], bool]:
    """The part before the @ may differ by case, the domain not (RFC 5321 §2.4)."""
    local, _, domain = wanted.partition("@")

    def matches(name: str) -> bool:
        found, at, host = name.rpartition("@")
        return bool(at) and host.lower() == domain and local in ("*", found)

    return matches


def _ip(wanted: str) -> Callable[[str], bool]:
    network = ipaddress.ip_network(wanted)

    def matches(name: str) -> bool:
        try:
            return ipaddress.ip_address(name) in network
        except ValueError:
            return False

    return matches


_MATCHERS: dict[str, Callable[[str], Callable[[str], bool]]] = {"dns": _host, "uri": _uri, "email": _mail, "ip": _ip}
