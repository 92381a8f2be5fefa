"""Sec-WebSocket-Extensions (RFC 6455 §9.1) and the negotiation of permessage-deflate (RFC 7692 §5, §7.1).

Where client and backend compress, offer and answer are passed on unchanged. Where the gateway
compresses itself, it answers the client's offers as a server (``accept``), and makes its own to the backend
(``offers``). Any other extension would change frames in ways that the gateway cannot check, so none is offered to a
backend, and none is accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsgate.text.token import is_token
from wsgate.wire.deflate import MAX_BITS, MIN_DEFLATE_BITS
from wsgate.wire.headers import Headers, values

DEFLATE = b"permessage-deflate"

_SERVER_NO_TAKEOVER = b"server_no_context_takeover"
_CLIENT_NO_TAKEOVER = b"client_no_context_takeover"
_SERVER_BITS = b"server_max_window_bits"
_CLIENT_BITS = b"client_max_window_bits"

# The parameters of RFC 7692 §7.1; True for those that take a value between 8 and 15.
_DEFLATE_PARAMETERS = {_SERVER_NO_TAKEOVER: False, _CLIENT_NO_TAKEOVER: False, _SERVER_BITS: True, _CLIENT_BITS: True}
_WINDOW_BITS = frozenset(str(bits).encode() for bits in range(8, 16))

_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)

Parameters = dict[bytes, bytes | None]


Extension = tuple[bytes, Parameters]


def parse_extensions(headers: Headers) -> list[Extension | None]:
    """Returns the extensions in the peer's order of preference, with ``None`` in place of each malformed one."""
    found = values(headers, b"sec-websocket-extensions")
    if not found:
        return []
    elements = (element for value in found for element in _split(value, b","))
    return [_extension(element) for element in elements if element.strip(b" \t")]  # no empty ones (RFC 9110 §5.6.1)


def _extension(element: bytes) -> Extension | None:
    name, *rest = (part.strip(b" \t") for part in _split(element, b";"))
    parameters: Parameters = {}
    for part in rest:
        key, equals, argument = part.partition(b"=")
        key, argument = key.strip(b" \t"), argument.strip(b" \t")
        if len(argument) > 1 and argument[:1] == argument[-1:] == b'"':
            argument = _QUOTED_PAIR.sub(rb"\1", argument[1:-1])
        if not is_token(key) or (equals and not is_token(argument)):
            return None
        # A repeated parameter is well-formed, but the offer must be declined (RFC 7692 §7.1). The empty value causes
        # this: no parameter may have it
        parameters[key] = b"" if key in parameters else argument if equals else None
    return (name, parameters) if is_token(name) else None


def _split(value: bytes, separator: bytes) -> list[bytes]:
    """Split outside double quotes. Inside them a backslash takes its meaning from the next byte (RFC 9110 §5.6.4)."""
    if b'"' not in value:
        return value.split(separator)
    parts, quoted, start, at = [], False, 0, 0
    while at < len(value):
        byte = value[at : at + 1]
        if byte == b'"':
            quoted = not quoted
        elif quoted and byte == b"\\":
            at += 1
        elif not quoted and byte == separator:
            parts.append(value[start:at])
            start = at + 1
        at += 1
    return [*parts, value[start:]]


def encode_extensions(extensions: list[Extension]) -> bytes:
    """The inverse of ``parse_extensions``. Every argument is a token, so no argument needs quotes."""
    return b", ".join(
        b"; ".join([name, *(key if value is None else key + b"=" + value for key, value in parameters.items())])
        for name, parameters in extensions
    )


def deflate_offers(extensions: list[Extension | None]) -> list[Extension]:
    """Returns the client's offers that the backend gets: well-formed permessage-deflate, in the client's order.

    A malformed offer is declined like an unknown one: it decides no boundary, and harms only the client itself.
    """
    return [each for each in extensions if each is not None and each[0] == DEFLATE and _is_deflate(each[1])]


def is_answer_to(offers: list[Extension], answer: Extension) -> bool:
    """Whether a backend's answer fits one of the offers (RFC 7692 §7.1). If not, the connection must fail (§5.1)."""
    name, parameters = answer
    if name != DEFLATE or not _is_deflate(parameters):
        return False
    if any(_DEFLATE_PARAMETERS[key] and value is None for key, value in parameters.items()):
        return False  # in an answer the window parameters must have a value (§7.1.2)
    return any(_fits(offer, parameters) for _, offer in offers)


def _is_deflate(parameters: Parameters) -> bool:
    for key, value in parameters.items():
        if key not in _DEFLATE_PARAMETERS:
            return False
        if value is None:
            if key == _SERVER_BITS:
                return False  # this one must always have a value (§7.1.2.1)
        elif not _DEFLATE_PARAMETERS[key] or value not in _WINDOW_BITS:
            return False
    return True


def _fits(offer: Parameters, answer: Parameters) -> bool:
    if _CLIENT_BITS in answer and _CLIENT_BITS not in offer:
        return False  # the client did not announce that it supports this parameter (§7.1.2.2)
    if _SERVER_NO_TAKEOVER in offer and _SERVER_NO_TAKEOVER not in answer:
        return False  # a server that accepts the offer must repeat the parameter (§7.1.1.1)
    wanted = offer.get(_SERVER_BITS)
    if wanted is not None:
        given = answer.get(_SERVER_BITS)
        if given is None or int(given) > int(wanted):
            return False  # (§7.1.2.1)
    return True


@dataclass(frozen=True, slots=True)
class DeflateTerms:
    """What client and server of a connection have agreed on (RFC 7692 §7.1).

    client_takeover, server_takeover: its messages may refer to earlier ones
    client_bits, server_bits: the size of its window, as a power of two, from 8 to 15
    """

    client_takeover: bool = True
    server_takeover: bool = True
    client_bits: int = MAX_BITS
    server_bits: int = MAX_BITS


def terms(answer: Parameters, offered: Parameters | None = None) -> DeflateTerms:
    """Returns what a server's valid answer means.

    offered: what the client has offered; it keeps to its own ``client_no_context_takeover`` in any case (§7.1.1.2)
    """
    return DeflateTerms(
        _CLIENT_NO_TAKEOVER not in answer and _CLIENT_NO_TAKEOVER not in (offered or {}),
        _SERVER_NO_TAKEOVER not in answer,
        int(answer.get(_CLIENT_BITS) or MAX_BITS),
        int(answer.get(_SERVER_BITS) or MAX_BITS),
    )


def accept(offers: list[Extension], *, takeover: bool, bits: int = MAX_BITS) -> Extension | None:
    """Answers a client's offers as its server: the first that can be accepted. ``None`` declines them all.

    takeover: messages may refer to earlier ones, if the client's offer allows it
    bits: the size of the largest window, as a power of two, from 9 to 15; a client that does not let the server choose
      its window uses its own
    """
    for name, offered in offers:
        server_bits = min(bits, int(offered.get(_SERVER_BITS) or MAX_BITS))
        if server_bits < MIN_DEFLATE_BITS:
            continue
        answer: Parameters = {}
        if not takeover or _SERVER_NO_TAKEOVER in offered:
            answer[_SERVER_NO_TAKEOVER] = None
        if not takeover or _CLIENT_NO_TAKEOVER in offered:
            answer[_CLIENT_NO_TAKEOVER] = None
        if server_bits < MAX_BITS or _SERVER_BITS in offered:  # who asks for a window is told one (§7.1.2.1)
            answer[_SERVER_BITS] = b"%d" % server_bits
        if _CLIENT_BITS in offered:
            client_bits = min(bits, int(offered[_CLIENT_BITS] or MAX_BITS))
            if client_bits < MAX_BITS:
                answer[_CLIENT_BITS] = b"%d" % client_bits
        return name, answer
    return None


def offers(*, takeover: bool, bits: int = MAX_BITS) -> list[Extension]:
    """Returns the gateway's own offers to a backend. ``takeover``, ``bits``: as for ``accept``.

    A backend that does not promise to do without context takeover, or forgets to say so as tornado does, fits the last.
    """
    parameters: Parameters = {}
    if not takeover:
        parameters[_CLIENT_NO_TAKEOVER] = None
    small = b"%d" % bits if bits < MAX_BITS else None
    if small is not None:
        parameters[_SERVER_BITS] = small
    parameters[_CLIENT_BITS] = small
    if takeover:
        return [(DEFLATE, parameters)]
    return [(DEFLATE, {_SERVER_NO_TAKEOVER: None, **parameters}), (DEFLATE, parameters)]
