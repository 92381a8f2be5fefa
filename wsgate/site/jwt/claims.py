"""What a valid token says, as the configuration names it: claims, their values, and their text for a header field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_LISTS_OF_WORDS = ("scope", "scp")  # texts of several values, with blanks between (RFC 8693 §4.2)


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """Returns the claim with this name, or what is at this path: ``realm_access.roles``. ``None`` if it has neither.

    The name counts first: some are addresses, with dots in them.
    """
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def has_value(claims: Mapping[str, Any], name: str, value: str) -> bool:
    """Whether a claim has this value, or is a list with it. Numbers, true and false are compared as JSON has them."""
    found = find_claim(claims, name)
    if name in _LISTS_OF_WORDS and isinstance(found, str):
        return value in found.split(" ")
    listed = found if isinstance(found, list) else [found]
    return any(text_of(each) == value for each in listed)


def text_of(value: Any) -> str:
    """Returns a claim as a text: a text unchanged, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
