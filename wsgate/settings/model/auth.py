"""``auth``: who may use a route.

A new kind of credential is a class here and a field of ``Auth``. Where its clients show it is ``from_``, a tuple of
``CredentialPlace``: what is shown in a query or as a subprotocol goes no further than to the gateway.
"""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass

from wsgate.settings.model.key import setting
from wsgate.settings.values import Credential, FilePath, HeaderValue, Text


class CredentialPlaceKind(enum.Enum):
    """Where in a request a client shows a credential."""

    HEADER = "header"
    QUERY = "query"
    COOKIE = "cookie"
    SUBPROTOCOL = "subprotocol"


@dataclass(frozen=True, slots=True)
class CredentialPlace:
    """``header:NAME``, ``query:NAME``, ``cookie:NAME``, or ``subprotocol:PREFIX`` for the rest of an offered
    subprotocol that begins so. The name of a header field is in lower case."""

    kind: CredentialPlaceKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


class Require(enum.Enum):
    """How many of a route's kinds of credentials a client must have."""

    ALL = "all"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basic:
    """HTTP Basic authentication, RFC 7617. Only over TLS nobody else hears the password."""

    users: tuple[Credential, ...] = setting("user:hash, as htpasswd writes it, or user:{PLAIN}password.", default=())
    file: FilePath | None = setting("A file with such lines; read again when it changes.", default=None)
    realm: HeaderValue = setting("What the browser shows to its user.", default="wsgate")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificateAuth:
    """Clients by the certificate that they have shown; the listener's client_ca has verified it."""

    names: tuple[Text, ...] = setting(
        "Common names (CN) that are let in; every verified one when left out.", default=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyAuth:
    """Programs by the key that each was given."""

    file: FilePath = setting("A file with name:hash in each line; read again when it changes.", required=True)
    from_: tuple[CredentialPlace, ...] = setting(
        "Where the key is: header:NAME, query:NAME, cookie:NAME or subprotocol:PREFIX; the first that has one counts. "
        "A query's and a subprotocol's goes to no backend.",
        default=(CredentialPlace(CredentialPlaceKind.HEADER, "x-api-key"),),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Who may use a route. The kinds of credentials are checked in this order."""

    basic: Basic | None = setting("User and password.", default=None)
    client_certificate: ClientCertificateAuth | None = setting("TLS client certificates.", default=None)
    api_keys: ApiKeyAuth | None = setting("Keys of programs, from a file of hashes.", default=None)
    require: Require = setting(
        "Whether a client needs all of the kinds that are written, or any of them.", default=Require.ALL
    )


AUTH_KINDS = tuple(field.name for field in dataclasses.fields(Auth) if field.name != "require")


def credential_places(auth: Auth | None) -> tuple[CredentialPlace, ...]:
    """Returns where the clients of a route show credentials."""
    kinds = [] if auth is None else [getattr(auth, kind) for kind in AUTH_KINDS]
    return tuple(place for kind in kinds for place in getattr(kind, "from_", ()))
