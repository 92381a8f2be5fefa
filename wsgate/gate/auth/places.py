"""Finds a credential in a request, and keeps it from all who come behind.

What a client shows in a query or as a subprotocol is for the gateway alone: backends log targets, and would have to
answer a subprotocol that is none. Fields and cookies are passed on as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from wsgate.gate.request_values import cookie_values, parameter_name, query_values
from wsgate.settings.model import CredentialPlace, CredentialPlaceKind
from wsgate.wire.handshake import Upgrade
from wsgate.wire.headers import elements, values
from wsgate.wire.http import Refusal, Request

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AUTHORIZATION = "authorization"
_BEARER = re.compile(rb"(?i)bearer +")  # RFC 6750 §2.1


def find_credential(places: Sequence[CredentialPlace], request: Request) -> str | Refusal | None:
    """Returns the credential in the first of ``places`` that has one; ``None`` if none has.

    In ``Authorization`` it stands behind ``Bearer``; other schemes are other credentials. Two in one place are refused:
    a backend might read the other one (RFC 6750 §3.1).
    """
    for place in places:
        found = [value for value in _shown(place, request) if value]
        if len(found) > 1:
            return Refusal(400, "a credential is sent twice", detail=f"in {place}", cause="malformed")
        if found:
            text = _text(found[0])
            if text is None:
                return Refusal(400, "a credential is malformed", detail=f"in {place}", cause="malformed")
            return text
    return None


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def _shown(place: CredentialPlace, request: Request) -> list[bytes]:
    """Returns the values in a place, in order."""
    kind, name = place.kind, place.name
    if kind is CredentialPlaceKind.QUERY:
        return list(query_values(name, request))
    if kind is CredentialPlaceKind.COOKIE:
        return list(cookie_values(name, request))
    if kind is CredentialPlaceKind.SUBPROTOCOL:
        offered, prefix = elements(request.headers, b"sec-websocket-protocol"), name.encode()
        return [each.removeprefix(prefix) for each in offered if each.startswith(prefix)]
    sent = values(request.headers, name.encode())
    if name != _AUTHORIZATION:
        return sent
    if len(sent) > 1:
        return sent
    return [value[found.end() :].strip() for value in sent if (found := _BEARER.match(value))]


def target_without(places: Sequence[CredentialPlace], target: bytes) -> bytes:
    """Returns a request's target without the parameters of its query that are places of credentials."""
    names = {place.name for place in places if place.kind is CredentialPlaceKind.QUERY}
    path, question, query = target.partition(b"?")
    if not names or not question:
        return target
    pairs = query.split(b"&")
    kept = [pair for pair in pairs if parameter_name(pair) not in names]
    if len(kept) == len(pairs):
        return target
    return path + b"?" + b"&".join(kept) if kept else path


def offer_without(places: Sequence[CredentialPlace], upgrade: Upgrade) -> Upgrade:
    """Returns an upgrade without the subprotocols that are credentials."""
    prefixes = tuple(place.name.encode() for place in places if place.kind is CredentialPlaceKind.SUBPROTOCOL)
    kept = tuple(name for name in upgrade.subprotocols if not name.startswith(prefixes)) if prefixes else ()
    return replace(upgrade, subprotocols=kept) if prefixes and kept != upgrade.subprotocols else upgrade
