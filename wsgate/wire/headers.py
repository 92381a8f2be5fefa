"""HTTP header fields as this gateway handles them: (name, value) pairs in wire order, and list-valued fields.

Names are lower-case wherever one is looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Headers = Sequence[tuple[bytes, bytes]]

# What may be read as "-": all that a name can have beside letters and digits
_LOOK_ALIKES = bytes.maketrans(b"!#$%&'*+.^_`|~", b"-" * 14)

# RFC 9110 §7.6.1, with the older names that proxies drop too: what a connection says about itself goes no further.
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


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Every value of a field, in order."""
    return [value for field, value in headers if field == name]


def elements(headers: Headers, name: bytes) -> list[bytes]:
    """The elements of a comma-separated list field, over all its lines, without empty ones (RFC 9110 §5.6.1)."""
    return [element for value in values(headers, name) for part in value.split(b",") if (element := part.strip(b" \t"))]


def has_token(headers: Headers, name: bytes, token: bytes) -> bool:
    """Whether a list field has an element, in any case of letters."""
    return any(element.lower() == token for element in elements(headers, name))


def end_to_end(
    headers: Headers, without: Iterable[bytes] = (), prefixes: tuple[bytes, ...] = ()
) -> list[tuple[bytes, bytes]]:
    """The fields that a proxy passes on, their names as they were written.

    Neither hop-by-hop ones nor those that Connection names (RFC 9110 §7.6.1), nor ``without``, nor names with one of
    these ``prefixes``; ``headers`` may have names in any case of letters.

    Nor a name that only looks like another: many servers turn each character that is no letter or digit into the same
    one (RFC 3875 §4.1.18), so X_Forwarded_For would be X-Forwarded-For to them. (nginx drops all names with "_".)
    """
    named = [value for name, value in headers if name.lower() == b"connection"]
    dropped = HOP_BY_HOP.union((token.strip().lower() for value in named for token in value.split(b",")), without)

    def goes_on(name: bytes) -> bool:
        name = name.lower()
        plain = name.translate(_LOOK_ALIKES)
        return name not in dropped and plain not in dropped and not plain.startswith(prefixes)

    return [(name, value) for name, value in headers if goes_on(name)]
