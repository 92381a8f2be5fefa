"""``auth``: who may use a route."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass

from wsgate.settings.model.key import setting
from wsgate.settings.values import Credential, FilePath, HeaderValue, Text


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
class Auth:
    """Who may use a route. A client must pass each kind that is written."""

    basic: Basic | None = setting("User and password.", default=None)
    client_certificate: ClientCertificateAuth | None = setting("TLS client certificates.", default=None)
