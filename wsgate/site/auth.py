"""What the clients of a route are checked with, by the kinds of credentials that its ``auth`` has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wsgate.settings.model import AUTH_KINDS, Auth, CredentialPlace, credential_places
from wsgate.site.api_keys import ApiKeys
from wsgate.site.client_certificates import ClientCertificates
from wsgate.site.credential import Credential
from wsgate.site.forward_service import ForwardService
from wsgate.site.jwt.opening import signed_tokens
from wsgate.site.passwords import Users
from wsgate.wire.headers import alike

# What makes the live object of each kind from its settings; gate.auth.table has what checks a client with it
MAKERS: dict[str, Callable[[Any], Credential]] = {
    "basic": Users,
    "jwt": signed_tokens,
    "client_certificate": ClientCertificates,
    "api_keys": ApiKeys,
    "forward": ForwardService,
}

USER_FIELD = b"X-Auth-User"  # tells a backend who its client is


@dataclass(frozen=True, slots=True, eq=False)
class LiveAuth:
    """The credentials that a route asks for.

    kinds: each with its live object, in the order in which they are checked
    places: where clients show them
    dropped: the names, in lower case, of fields that only the gateway writes; with each the form that servers may take
    it for
    """

    settings: Auth
    kinds: Sequence[tuple[str, Credential]]
    places: Sequence[CredentialPlace]
    dropped: frozenset[bytes]


def live_auth(auth: Auth | None, made: Mapping[object, Credential]) -> LiveAuth | None:
    """Returns what the clients of a route are checked with; ``None`` without ``auth``.

    made: the live objects by their settings
    """
    if auth is None:
        return None
    kinds = [(kind, made[settings]) for kind in AUTH_KINDS if (settings := getattr(auth, kind)) is not None]
    names = [USER_FIELD.lower(), *(name for _, credential in kinds for name in credential.writes)]
    dropped = frozenset(form for name in names for form in (name, alike(name)))
    return LiveAuth(auth, kinds, credential_places(auth), dropped)
