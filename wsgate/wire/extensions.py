"""Sec-WebSocket-Extensions (RFC 6455 §9.1), as far as needed to pass permessage-deflate (RFC 7692) through.

In a relay, client and backend compress, and the gateway only lets RSV1 pass. So the client's offer and the backend's
answer are passed on unchanged. Any other extension would change frames in ways that the gateway cannot check, so it
is not offered to the backend.
"""

from __future__ import annotations

from wsgate.text.token import is_token
from wsgate.wire.headers import Headers, values

DEFLATE = b"permessage-deflate"

# The parameters of RFC 7692 §7.1; True for those that take a value between 8 and 15.
_DEFLATE_PARAMETERS = {
    b"server_no_context_takeover": False,
    b"client_no_context_takeover": False,
    b"server_max_window_bits": True,
    b"client_max_window_bits": True,
}
_WINDOW_BITS = frozenset(str(bits).encode() for bits in range(8, 16))

Parameters = dict[bytes, bytes | None]


Extension = tuple[bytes, Parameters]


def parse_extensions(headers: Headers) -> list[Extension | None]:
    """Returns the extensions in the peer's order of preference, with ``None`` in place of each malformed one."""
    elements = (element for value in values(headers, b"sec-websocket-extensions") for element in _split(value, b","))
    return [_extension(element) for element in elements if element.strip(b" \t")]  # no empty ones (RFC 9110 §5.6.1)


def _extension(element: bytes) -> Extension | None:
    name, *rest = (part.strip(b" \t") for part in _split(element, b";"))
    parameters: Parameters = {}
    for part in rest:
        key, equals, argument = part.partition(b"=")
        key, argument = key.strip(b" \t"), argument.strip(b" \t")
        if len(argument) > 1 and argument[:1] == argument[-1:] == b'"':
            argument = argument[1:-1]
        if not is_token(key) or (equals and not is_token(argument)):
            return None
        # A repeated parameter is well-formed, but the offer must be declined (RFC 7692 §7.1). The empty value causes
        # this: no parameter may have it
        parameters[key] = b"" if key in parameters else argument if equals else None
    return (name, parameters) if is_token(name) else None


def _split(value: bytes, separator: bytes) -> list[bytes]:
    """Split outside double quotes."""
    if b'"' not in value:
        return value.split(separator)
    parts, quoted, start = [], False, 0
    for at in range(len(value)):
        if value[at : at + 1] == b'"':
            quoted = not quoted
        elif not quoted and value[at : at + 1] == separator:
            parts.append(value[start:at])
            start = at + 1
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
            if key == b"server_max_window_bits":
                return False  # this one must always have a value (§7.1.2.1)
        elif not _DEFLATE_PARAMETERS[key] or value not in _WINDOW_BITS:
            return False
    return True


def _fits(offer: Parameters, answer: Parameters) -> bool:
    if b"client_max_window_bits" in answer and b"client_max_window_bits" not in offer:
        return False  # the client did not announce that it supports this parameter (§7.1.2.2)
    if b"server_no_context_takeover" in offer and b"server_no_context_takeover" not in answer:
        return False  # a server that accepts the offer must repeat the parameter (§7.1.1.1)
    wanted = offer.get(b"server_max_window_bits")
    if wanted is not None:
        given = answer.get(b"server_max_window_bits")
        if given is None or int(given) > int(wanted):
            return False  # (§7.1.2.1)
    return True
