"""HTTP header fields: (name, value) pairs in the order of the message, and list-valued fields.

Functions that look a name up need the names in lower case, if they do not say otherwise.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import lru_cache

Names = frozenset[bytes] | tuple[bytes, ...]  # of fields, in lower case

Headers = Sequence[tuple[bytes, bytes]]

# The characters that some servers read as "-": all that a name can have beside letters and digits
_LOOK_ALIKES = bytes.maketrans(b"!#$%&'*+.^_`|~", b"-" * 14)

# Names that are kept for the next head, and the bytes of the longest of them: strangers choose names
_MOST_KEPT, _LONGEST_KEPT = 256, 64

# Fields about one connection, which a proxy does not pass on (RFC 9110 §7.6.1, with older names that proxies drop too).
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


class NamedFields(list[tuple[bytes, bytes]]):
    """The fields of a head, and their values by name: an upgrade looks twenty of them up.

    Never changed, or the values by name would be wrong.

    fields: with names in lower case
    by_name: the values of each
    """

    __slots__ = ("by_name",)

    def __init__(self, fields: Headers, by_name: dict[bytes, list[bytes]]) -> None:
        super().__init__(fields)
        self.by_name = by_name


# The fields with names as they were written, and with names in lower case; their values by name
SplitFields = tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]], dict[bytes, list[bytes]]]


def split_fields(lines: bytes) -> SplitFields:
    """Returns the fields of a head. ``_fields.h`` has the same in C, and ``kernel.py`` chooses.

    lines: each a name, a colon and a value, with CR LF at its end; checked before. Raises ``ValueError`` for others.
    """
    raw, lower = [], []
    by_name: dict[bytes, list[bytes]] = {}
    *all_lines, rest = lines.split(b"\r\n")
    for line in all_lines:
        written, colon, value = line.partition(b":")
        if not colon or b"\r" in line:
            break
        name, value = written.lower(), value.strip(b" \t")
        raw.append((written, value))
        lower.append((name, value))
        by_name.setdefault(name, []).append(value)
    else:
        if not rest:
            return raw, lower, by_name
    raise ValueError("a line of a head without a colon, or without its end")


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Returns every value of the field ``name``, in order. The caller does not change the list."""
    if isinstance(headers, NamedFields):
        return headers.by_name.get(name, [])
    return [value for field, value in headers if field == name]


def elements(headers: Headers, name: bytes) -> list[bytes]:
    """Returns the elements of a comma-separated list field, from all its lines, without empty ones (RFC 9110
    §5.6.1)."""
    found = values(headers, name)
    if not found:
        return found
    return [element for value in found for part in value.split(b",") if (element := part.strip(b" \t"))]


def has_token(headers: Headers, name: bytes, token: bytes) -> bool:
    """Whether a list field has the element ``token`` (lower case), which may be written in any case."""
    for value in values(headers, name):
        if value.lower() == token:  # nearly always
            return True
        for element in value.split(b","):
            if element.strip(b" \t").lower() == token:
                return True
    return False


def alike(name: bytes) -> bytes:
    """Returns the form of a name that some servers cannot tell from it (RFC 3875 §4.1.18). ``name``: in lower case."""
    return name.translate(_LOOK_ALIKES)


def without_names(headers: Headers, names: Container[bytes]) -> list[tuple[bytes, bytes]]:
    """Returns the fields but those with one of ``names``, which are in lower case, or that look like one of them."""
    return [field for field in headers if (name := field[0].lower()) not in names and alike(name) not in names]


def end_to_end(
    headers: Headers,
    without: Names = (),
    prefixes: tuple[bytes, ...] = (),
    more: Names = (),
) -> list[tuple[bytes, bytes]]:
    """Returns the fields that a proxy passes on, with names as they were written.

    Dropped are hop-by-hop fields and those that Connection names (RFC 9110 §7.6.1), the names in ``without``, and
    names that begin with one of ``prefixes``.

    Also dropped are names that only look like one of these. Many servers map each character that is no letter or digit
    to the same one (RFC 3875 §4.1.18), so they read X_Forwarded_For as X-Forwarded-For. (nginx drops all names with
    "_".)

    headers: names in any case
    without, prefixes, more: in lower case; ``more`` is like ``without``
    """
    passed_on = _passed_on(without, more, prefixes)
    lists = [value for name, value in headers if len(name) == len(b"connection") and name.lower() == b"connection"]
    if lists:
        named = [token.strip().lower() for value in lists for token in value.split(b",")]
        if not passed_on.dropped.issuperset(named):
            passed_on = _PassedOn(passed_on.dropped.union(named), prefixes)
    return [field for field in headers if passed_on[field[0]]]


class _PassedOn(dict[bytes, bool]):
    """Whether a field is passed on, by its name as it was written: most names come again and again."""

    __slots__ = ("_prefixes", "dropped")

    def __init__(self, dropped: frozenset[bytes], prefixes: tuple[bytes, ...]) -> None:
        self.dropped = dropped
        self._prefixes = prefixes

    def __missing__(self, written: bytes) -> bool:
        name = written.lower()
        plain = alike(name)
        passed = name not in self.dropped and plain not in self.dropped and not plain.startswith(self._prefixes)
        if len(written) <= _LONGEST_KEPT:
            if len(self) == _MOST_KEPT:
                self.clear()
            self[written] = passed
        return passed


@lru_cache(64)  # the settings have few of them
def _passed_on(without: Names, more: Names, prefixes: tuple[bytes, ...]) -> _PassedOn:
    return _PassedOn(HOP_BY_HOP.union(without, more), prefixes)
