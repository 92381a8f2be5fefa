"""The parts of a URL as they are written (RFC 3986). Which paths are equal is in ``text.paths``."""

from __future__ import annotations

import re

_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")  # §3.3
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")  # §3.4


def is_path(text: str) -> bool:
    """Whether ``text`` is a path that begins with a slash and is percent-encoded where needed."""
    return _PATH.fullmatch(text) is not None


def is_query(text: str) -> bool:
    """Whether ``text`` is a valid query, without its question mark."""
    return _QUERY.fullmatch(text) is not None
