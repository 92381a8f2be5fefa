"""``auth``: who may use a route.

A new kind of credential is a class here and a field of ``Auth``. Where its clients show it is ``from_``, a tuple of
``CredentialPlace``: what is shown in a query or as a subprotocol goes no further than to the gateway.

``HOLDS_SECRETS``: no message shows a text that somebody has written instead of such a mapping.
"""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import ClassVar

from wsgate.settings.model.key import setting
from wsgate.settings.model.tls import BackendTls
from wsgate.settings.values import (
    AltName,
    AnswerFieldName,
    ClaimField,
    ClaimValue,
    Credential,
    Duration,
    HeaderValue,
    HttpUrl,
    KeySet,
    SecretFile,
    Text,
    Timeout,
)


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

    HOLDS_SECRETS: ClassVar[bool] = True

    users: tuple[Credential, ...] = setting("user:hash, as htpasswd writes it, or user:{PLAIN}password.", default=())
    file: SecretFile | None = setting("A file with such lines; read again when it changes.", default=None)
    realm: HeaderValue = setting("What the browser shows to its user.", default="wsgate")


class Expire(enum.Enum):
    """What becomes of a session when its token expires."""

    CLOSE = "close"
    IGNORE = "ignore"


AUTHORIZATION = CredentialPlace(CredentialPlaceKind.HEADER, "authorization")


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtAuth:
    """Signed tokens (JWT, RFC 7519), sent as Bearer tokens (RFC 6750)."""

    HOLDS_SECRETS: ClassVar[bool] = True

    key: SecretFile | None = setting(
        "A file with the key that verifies tokens: a public key or certificate, PEM, or a shared secret.", default=None
    )
    jwks: KeySet | None = setting(
        "A JSON Web Key Set (RFC 7517): a file, or an https:// URL that is asked again from time to time.", default=None
    )
    jwks_tls: BackendTls = setting("TLS to the https:// URL of jwks.", default=BackendTls())
    refresh: Timeout = setting(
        "How long the keys of a URL are used until it is asked again; earlier for a token that names an unknown key.",
        default=300.0,
    )
    timeout: Timeout = setting("For the URL's answer.", default=5.0)
    algorithms: tuple[Text, ...] = setting(
        "Signature algorithms that are taken, like RS256, ES256 or EdDSA; HS256, HS384 and HS512 only without others.",
        required=True,
    )
    from_: tuple[CredentialPlace, ...] = setting(
        "Where clients show the token: header:NAME, query:NAME, cookie:NAME or subprotocol:PREFIX; the first that is "
        "there counts. In header:Authorization it stands behind Bearer.",
        default=(AUTHORIZATION,),
    )
    issuer: Text | None = setting("The iss that tokens must have.", default=None)
    audience: tuple[Text, ...] = setting("The aud that tokens must have; of several one.", default=())
    leeway: Duration = setting("By how much a token's times, exp, nbf and iat, may be exceeded.", default=10.0)
    require: tuple[Text, ...] = setting("Claims that tokens must have, exp for example.", default=())
    claims: tuple[ClaimValue, ...] = setting(
        "Claims with the value that they must have, or that must be one of a list's: a mapping, name: value.",
        default=(),
    )
    user: Text = setting("The claim that names the user.", default="sub")
    fields: tuple[ClaimField, ...] = setting(
        "Fields that backends get, each with the claim for its value: a mapping, name: claim. Clients cannot send "
        "them.",
        default=(),
    )
    expire: Expire = setting(
        "close ends a session with 1008 when its token expires; ignore lets it go on.", default=Expire.IGNORE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificateAuth:
    """Clients by the certificate that they have shown; the listener's client_ca has verified it."""

    names: tuple[Text, ...] = setting(
        "Common names (CN) that are let in. Without names, san and subject every verified certificate is.", default=()
    )
    san: tuple[AltName, ...] = setting(
        "Names in its subjectAltName that are let in, too: dns:*.example.com, uri:spiffe://example.com/*, "
        "email:*@example.com, ip:10.0.0.0/8.",
        default=(),
    )
    subject: tuple[Text, ...] = setting(
        "Whole subjects that are let in, too, as RFC 4514 writes them: CN=worker 7,O=Example.", default=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyAuth:
    """Programs by the key that each was given."""

    HOLDS_SECRETS: ClassVar[bool] = True

    file: SecretFile = setting("A file with name:hash in each line; read again when it changes.", required=True)
    from_: tuple[CredentialPlace, ...] = setting(
        "Where the key is: header:NAME, query:NAME, cookie:NAME or subprotocol:PREFIX; the first that has one counts. "
        "A query's and a subprotocol's goes to no backend.",
        default=(CredentialPlace(CredentialPlaceKind.HEADER, "x-api-key"),),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardAuth:
    """Forward auth: an HTTP service is asked whether a client may come in, oauth2-proxy or Authelia for example."""

    url: HttpUrl = setting("What is asked with GET, http://host:port/path or https://; 2xx admits.", required=True)
    url_tls: BackendTls = setting("TLS to an https:// url.", default=BackendTls())
    fields: tuple[AnswerFieldName, ...] = setting(
        "Fields of its answer that backends get. Clients cannot send them.", default=()
    )
    user: AnswerFieldName = setting("The field of its answer that names the user.", default="X-Auth-User")
    timeout: Timeout = setting("For its answer; then the client gets 503.", default=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Who may use a route. The kinds of credentials are checked in this order."""

    HOLDS_SECRETS: ClassVar[bool] = True

    basic: Basic | None = setting("User and password.", default=None)
    jwt: JwtAuth | None = setting("Signed tokens.", default=None)
    client_certificate: ClientCertificateAuth | None = setting("TLS client certificates.", default=None)
    api_keys: ApiKeyAuth | None = setting("Keys of programs, from a file of hashes.", default=None)
    forward: ForwardAuth | None = setting("An HTTP service that is asked.", default=None)
    require: Require = setting(
        "Whether a client needs all of the kinds that are written, or any of them.", default=Require.ALL
    )


AUTH_KINDS = tuple(field.name for field in dataclasses.fields(Auth) if field.name != "require")


def credential_places(auth: Auth | None) -> tuple[CredentialPlace, ...]:
    """Returns where the clients of a route show credentials."""
    kinds = [] if auth is None else [getattr(auth, kind) for kind in AUTH_KINDS]
    return tuple(place for kind in kinds for place in getattr(kind, "from_", ()))
