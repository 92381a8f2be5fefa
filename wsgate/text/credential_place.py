"""Where in a request a client shows a credential: ``header:NAME``, ``query:NAME``, ``cookie:NAME`` or
``subprotocol:PREFIX``.

A page can set no header field of a WebSocket, but it can offer subprotocols: ``["bearer.TOKEN", "chat"]``.
"""

from __future__ import annotations

import re

from wsgate.text.error import TextError, quote
from wsgate.text.subprotocol import is_subprotocol
from wsgate.text.token import is_token

EXPECTED = "header:NAME, query:NAME, cookie:NAME or subprotocol:PREFIX"
KINDS = ("header", "query", "cookie", "subprotocol")

_PARAMETER = re.compile(r"[^&=#\s]+")
_EXAMPLES = {
    "header": "header:X-Api-Key",
    "query": "query:access_token",
    "cookie": "cookie:session",
    "subprotocol": "subprotocol:bearer.",
}


def kind_and_name(text: str) -> tuple[str, str]:
    """Returns one of ``KINDS`` and what is behind its colon; the name of a header field in lower case.

    Raises ``TextError`` when ``text`` has another form.
    """
    kind, _, name = text.partition(":")
    if kind not in KINDS:
        raise TextError(f"{quote(text)} is no place of a credential: write {EXPECTED}")
    if not _is_name(kind, name):
        what = "prefix of a subprotocol" if kind == "subprotocol" else f"{kind}'s name"
        raise TextError(f"{quote(text)} has no {what} behind the colon: write {_EXAMPLES[kind]}, for example")
    return kind, name.lower() if kind == "header" else name


def _is_name(kind: str, name: str) -> bool:
    if kind == "query":
        return _PARAMETER.fullmatch(name) is not None
    if kind == "subprotocol":
        return name.isascii() and is_subprotocol(name.encode())
    return is_token(name)  # RFC 9110 §5.1: the names of header fields, and RFC 6265 §4.1.1: those of cookies
