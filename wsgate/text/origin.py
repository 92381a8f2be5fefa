"""The origin of a web page: ``scheme://host[:port]`` (RFC 6454)."""

from __future__ import annotations

import re

from wsgate.text.address import host_and_port
from wsgate.text.error import TextError, quote
from wsgate.text.port import port_number

_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Other schemes have other forms of a host: file:// has none, vscode-webview:// a hash
_OTHER_HOST = re.compile(r"[!-~]*")


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
