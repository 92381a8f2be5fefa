"""Which sessions are asked for, and in which order: the parameters of lists, as a query has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# Fields that must be equal; of an address the port may be left out
EXACT = ("route", "user", "backend", "host", "subprotocol", "client", "subject", "request_id", "state")
# Fields that a list may be sorted by; numbers, but for the first ones
SORTS = (
    *("since", "id", "route", "client", "user", "backend"),
    *("duration", "messages_up", "messages_down", "bytes_up", "bytes_down"),
    *("throttled_up", "throttled_down", "client_rtt_ms", "backend_rtt_ms"),
)
SEARCH = "q"  # a part of any text field, in any case of letters
_SEARCHED = (
    *("id", "route", "client", "user", "host", "backend", "path", "subprotocol", "subject"),
    *("ended_by", "reason", "detail", "client_reason", "backend_reason"),  # of ended sessions
)
_TEXTS = frozenset({"since", "id", "route", "client", "user", "backend"})


def is_among(session: Mapping[str, Any], filter: Mapping[str, str]) -> bool:
    """Whether a filter takes a session: all of its fields must be equal, and ``q`` be a part of one."""
    for name, wanted in filter.items():
        if name == SEARCH:
            text = wanted.lower()
            if not any(text in str(session.get(field) or "").lower() for field in _SEARCHED):
                return False
        elif not _is(str(session.get(name) or ""), wanted, is_address=name == "client"):
            return False
    return True


def sort_key(sort: str) -> Callable[[Any], Any]:
    """Returns the key of an order, of the value of its field: one of ``SORTS``, with ``-`` in front from the largest to
    the smallest. What is not known comes last."""
    backwards = sort.startswith("-")
    if sort.removeprefix("-") in _TEXTS:
        if backwards:  # texts have no negative: each character counts down
            return lambda value: [-ord(char) for char in value or ""] + [1]
        return lambda value: value or ""
    sign = -1 if backwards else 1
    return lambda value: (value is None, 0 if value is None else sign * value)


def _is(value: str, wanted: str, *, is_address: bool) -> bool:
    if value == wanted:
        return True
    host = value.rpartition(":")[0]
    return is_address and wanted in (host, host.strip("[]"))
