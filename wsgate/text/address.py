"""An address: a host with its port, or the path of a Unix socket."""

from __future__ import annotations

import os
import re

from wsgate.text.error import TextError, quote
from wsgate.text.host import ipv6, name_or_ipv4

_BRACKETS = re.compile(r"\[([^\[\]]*)\](?::(.*))?", re.DOTALL)
_UNIX_PATH = re.compile("/[^/](?:.*[^/])?", re.DOTALL)
# Linux: sun_path has 108 bytes and ends with a zero byte (unix(7)).
_MAX_UNIX_PATH = 107


def host_and_port(text: str) -> tuple[str, str | None]:
    """Splits ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``.

    Returns the host in its normal form, and the port as it was written, ``None`` if there is none. Raises ``TextError``
    when the host or the form is wrong; the port is not checked.
    """
    if text.startswith("["):
        brackets = _BRACKETS.fullmatch(text)
        if brackets is None:
            raise TextError("is not an address: with brackets it is '[::1]:8080'", quote(text))
        return ipv6(brackets[1]), brackets[2]
    name, colon, port = text.partition(":")
    if ":" in port:
        raise TextError("has more than one colon: write an IPv6 address in brackets, '[::1]:8080'", quote(text))
    return name_or_ipv4(name), port if colon else None


def unix_path(text: str) -> str:
    """Returns ``text`` if it is the absolute path of a Unix socket. Raises ``TextError`` when it is not."""
    written = quote(f"unix:{text}")
    if not _UNIX_PATH.fullmatch(text):
        cure = text.strip("/") or "run/wsgate.sock"
        raise TextError("is not unix: and the absolute path of a socket", written, f"write unix:/{cure}")
    if "\0" in text:
        raise TextError("has a zero byte in it", written)
    try:
        length = len(os.fsencode(text))
    except UnicodeEncodeError:
        raise TextError("has half a character in it", written) from None
    if length > _MAX_UNIX_PATH:
        raise TextError(f"is {length} bytes long; a Unix socket's has {_MAX_UNIX_PATH} at most", "the path")
    return text
