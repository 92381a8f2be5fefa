"""The number of a port."""

from __future__ import annotations

import re

from wsgate.text.error import TextError, quote

_PORT = re.compile(r"[0-9]{1,5}")
_PORT_AND_MORE = re.compile(r"([0-9]{1,5})[ \t;,]+\S.*")  # with parameters behind it, as nginx has
_MAX = 65535


def looks_like_port(text: str) -> bool:
    """Whether ``text`` has the form of a port; it may be out of range."""
    return _PORT.fullmatch(text) is not None


def port_number(text: str, *, lowest: int = 1) -> int:
    """Returns the number of a port. Raises ``TextError`` when ``text`` is none.

    lowest: 0 if the kernel may choose a port, else 1
    """
    if more := _PORT_AND_MORE.fullmatch(text):
        raise TextError("is more than a port", quote(text), f"write {more[1]}, and nothing behind it")
    if not looks_like_port(text) or not lowest <= int(text) <= _MAX:
        raise TextError(f"is not a port: a port is a number from {lowest} to {_MAX}", quote(text))
    return int(text)
