"""The origin of a web page: ``scheme://host[:port]`` (RFC 6454)."""

from __future__ import annotations

import re

from wsgate.text.address import host_and_port
from wsgate.text.error import TextError, quote
from wsgate.text.host import is_ip
from wsgate.text.port import port_number

_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Other schemes have other forms of a host: file:// has none, vscode-webview:// a hash
_OTHER_HOST = re.compile(r"[!-~]*")
_WILDCARD = re.compile(r"(https?://)\*(\.[^*]+)", re.IGNORECASE)
_ANY_HOST = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\*")
# Of an origin in its normal form: scheme, host, and the port with its colon
_PARTS = re.compile(r"(https?://)(\[[0-9a-f:.]+\]|[^:/?#@\[\]]+)(:[0-9]{1,5})?")


def origin(text: str) -> str:
    """Returns an origin in its normal form (RFC 6454 §6.2): lower case, without the scheme's default port.

    Raises ``TextError`` when ``text`` is none; ``null`` is none.
    """
    found = _ORIGIN.fullmatch(text)
    if found is None:
        cure = "file://" if text.rstrip(":/") == "file" else f"https://{text.strip('/') or 'app.example.com'}"
        raise TextError("is not an origin", quote(text), f"write {cure}")
    scheme, authority, rest = found[1].lower(), found[2], found[3]
    if rest:
        raise TextError("is more than an origin", quote(text), f"write {scheme}://{authority}")
    if scheme in ("ws", "wss"):
        page = "https" if scheme == "wss" else "http"
        raise TextError(f"{quote(text)}: an origin is where the page comes from: write {page}://{authority}")
    if scheme not in _DEFAULT_PORTS:
        if not _OTHER_HOST.fullmatch(authority):
            raise TextError("is not an origin", quote(text), f"write it as the browser sends it, like {scheme}://host")
        return text.lower()
    host, port = host_and_port(authority)
    shown = f"[{host}]" if ":" in host else host
    number = None if port is None else port_number(port)
    return f"{scheme}://{shown}" if number in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{shown}:{number}"


def origin_pattern(text: str) -> str:
    """Returns an origin in its normal form, or a pattern of origins.

    In ``https://*.example.com`` the star stands for one or more labels. In ``vscode-webview://*``, of a scheme whose
    hosts are no names, it stands for every host.

    Raises ``TextError`` when ``text`` is neither.
    """
    if "*" not in text:
        return origin(text)
    if (scheme := _ANY_HOST.fullmatch(text)) is not None and scheme[1].lower() not in _DEFAULT_PORTS:
        return text.lower()
    found = _WILDCARD.fullmatch(text)
    if found is None:
        raise TextError("is not an origin with a *", quote(text))
    scheme_name, _, host = origin(f"{found[1]}{found[2][1:]}").partition("://")
    if host.startswith("[") or is_ip(host.partition(":")[0]):
        raise TextError("* cannot stand before an IP address", quote(text))
    return f"{scheme_name}://*.{host}"


def matches(pattern: str, page: str) -> bool:
    """Whether an origin in its normal form is the one of a pattern, or one of those that its ``*`` stands for."""
    if "*" not in pattern:
        return pattern == page
    if pattern.endswith("*"):
        return page.startswith(pattern[:-1])
    wanted, found = _PARTS.fullmatch(pattern), _PARTS.fullmatch(page)
    if wanted is None or found is None:
        return False
    suffix = wanted[2][1:]
    return (wanted[1], wanted[3]) == (found[1], found[3]) and found[2].endswith(suffix) and len(found[2]) > len(suffix)
