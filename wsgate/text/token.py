"""A token of HTTP (RFC 9110 §5.6.2): the names of fields and cookies, and many values of fields."""

from __future__ import annotations

import re

CHARACTERS = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # a part of larger patterns

_TOKEN = re.compile(TOKEN)


def is_token(value: bytes | str) -> bool:
    return _TOKEN.fullmatch(value.encode(errors="surrogatepass") if isinstance(value, str) else value) is not None
