"""What a proxy changes in the heads that it passes on (RFC 9110 §7.6), and which requests it may send twice."""

from __future__ import annotations

import re

from wsgate.text.token import TOKEN
from wsgate.wire.headers import Headers, Names, elements, end_to_end, has_token, values, without_names
from wsgate.wire.http import Request
from wsgate.wire.plain_head import AnswerHead

_NAME = b"wsgate"  # in Via, where host names would tell strangers too much (RFC 9110 §7.6.3)
_MOST_PASSES = 4  # gateways in a row; a request that passes more of them goes round in a circle

# RFC 9110 §7.8: a name, and perhaps a version
_PROTOCOL = re.compile(TOKEN + rb"(?:/" + TOKEN + rb")?")
_NEVER = re.compile(rb"(?i)(?:h2c?|http|tls|ssl)(?:[-/]|\Z)")

# RFC 9110 §9.2.2
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})

# Fields of the request that the gateway writes itself or never repeats from a client
OWN_FIELDS = frozenset({b"host", b"content-length", b"forwarded", b"x-real-ip"})
OWN_PREFIXES = (b"x-client-cert-", b"x-forwarded-")


def is_idempotent(request: Request) -> bool:
    """Whether a request may be sent again when it is unknown what became of it."""
    return request.method in _IDEMPOTENT


def is_loop(request: Request) -> bool:
    """Whether a request has passed so many gateways that some were the same."""
    passes = sum(1 for element in elements(request.headers, b"via") if element.split()[1:2] == [_NAME])
    return passes >= _MOST_PASSES


def forwards_left(request: Request) -> int | None:
    """Returns how often a request may still be passed on (RFC 9110 §7.6.2); ``None`` if it does not say."""
    said = values(request.headers, b"max-forwards")
    is_meant = request.method in (b"OPTIONS", b"TRACE") and len(said) == 1 and re.fullmatch(rb"[0-9]{1,9}", said[0])
    return int(said[0]) if is_meant else None


def via(request: Request, dropped: Names = ()) -> Headers:
    """Returns the field that tells those behind that a request has passed this gateway, unless it is dropped."""
    return () if b"via" in dropped else [(b"Via", b"%s %s" % (request.version, _NAME))]


def other_protocol(request: Request) -> bytes | None:
    """Returns the protocol, other than WebSocket, to which a request asks to be upgraded; ``None`` if it asks for none
    that may be passed on.

    None of several, because a backend would choose. No HTTP/2 (h2c), because requests would hide from routes and
    checks behind it, and no TLS.
    """
    asked = elements(request.headers, b"upgrade")
    if request.version < b"1.1" or len(asked) != 1 or not has_token(request.headers, b"connection", b"upgrade"):
        return None
    return asked[0] if _PROTOCOL.fullmatch(asked[0]) and not _NEVER.match(asked[0]) else None


def switching_fields(protocol: bytes, head: AnswerHead) -> list[tuple[bytes, bytes]] | None:
    """Returns the fields of a backend's 101 as the client gets them; ``None`` if it is no 101 for ``protocol``."""
    switched = elements(head.headers, b"upgrade")
    is_asked = len(switched) == 1 and switched[0].lower() == protocol.lower()
    if not is_asked or not has_token(head.headers, b"connection", b"upgrade"):
        return None
    passed_on = end_to_end(head.raw_headers, (b"content-length",))
    return [(b"Upgrade", switched[0]), (b"Connection", b"Upgrade"), *passed_on]


def request_fields(
    request: Request,
    host: bytes,
    written: Headers,
    dropped: Names = (),
    protocol: bytes | None = None,
) -> list[tuple[bytes, bytes]]:
    """Returns the fields that a backend gets.

    host: the value of Host
    written: fields that the gateway writes
    dropped: names, in lower case, of fields that the backend does not get unless they are in ``written``
    protocol: to which it is asked to upgrade; ``None`` for none
    """
    fields = [(b"Host", host), *end_to_end(request.raw_headers, OWN_FIELDS, OWN_PREFIXES, dropped), *written]
    left = forwards_left(request)
    if left and b"max-forwards" not in dropped:
        fields = [*without_names(fields, {b"max-forwards"}), (b"Max-Forwards", b"%d" % (left - 1))]
    fields += via(request, dropped)
    if has_token(request.headers, b"te", b"trailers"):
        fields += [(b"TE", b"trailers"), (b"Connection", b"TE")]
    if protocol is not None:
        fields += [(b"Upgrade", protocol), (b"Connection", b"Upgrade")]
    fields += _trailer(request.headers)
    if request.length is None:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif request.length or values(request.headers, b"content-length"):
        fields.append((b"Content-Length", b"%d" % request.length))
    return fields


def response_fields(
    status: int, headers: Headers, raw_headers: Headers, version: bytes = b"1.1"
) -> list[tuple[bytes, bytes]]:
    """Returns the fields that a client gets.

    headers: with names in lower case
    raw_headers: the same fields with names as they were written
    version: of HTTP that the backend speaks
    """
    fields = end_to_end(raw_headers, (b"content-length",))
    lengths = values(headers, b"content-length")
    if lengths and status >= 200 and status != 204:  # those have none (RFC 9110 §8.6)
        fields.append((b"Content-Length", lengths[0]))
    if status >= 200:
        fields.append((b"Via", b"%s %s" % (version, _NAME)))
        fields += _trailer(headers)
    return fields


def trailer_fields(trailers: Headers, dropped: Names = ()) -> list[tuple[bytes, bytes]]:
    """Returns the trailer fields that are passed on: none that frames, routes or authenticates a message (RFC 9110
    §6.5.1), and none of ``dropped``, which are in lower case."""
    if not trailers:
        return []
    never = (*OWN_FIELDS, b"authorization", b"set-cookie", b"content-encoding")
    return end_to_end(trailers, never, OWN_PREFIXES, dropped)


def _trailer(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The announcement of trailers is no field of one connection (RFC 9110 §6.6.2)."""
    return [(b"Trailer", value) for value in values(headers, b"trailer")]
