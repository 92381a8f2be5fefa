"""``tunnel.token``: what a client shows, and where it is looked up."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wsgate.settings.model.key import setting
from wsgate.settings.model.tls import BackendTls
from wsgate.settings.values import (
    Database,
    Directory,
    EntryPoint,
    FileOrDirectory,
    Place,
    SecretFile,
    ServiceAddress,
    Text,
    Timeout,
    TokenUrl,
)
from wsgate.settings.words import Scheme


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt:
    """Tokens that are signed and carry their target: the claims host and port; exp and nbf are heeded."""

    HOLDS_SECRETS: ClassVar[bool] = True  # as in auth.py

    key: SecretFile | None = setting("The key that verifies them: a public key, PEM, or a shared secret.", default=None)
    jwks: SecretFile | None = setting("A JSON Web Key Set that has the keys (RFC 7517).", default=None)
    algorithms: tuple[Text, ...] = setting(
        "Signature algorithms that are taken; left out, those that fit the key, never none.", default=()
    )
    audience: Text | None = setting("The aud that tokens must have.", default=None)
    issuer: Text | None = setting("The iss that tokens must have.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    """Tokens that are keys of a Redis database; the value is host:port, or JSON with host and port."""

    address: ServiceAddress = setting("The server: host:port or unix:/path.", required=True)
    database: Database = setting("The number of the database.", default=0)
    user: Text | None = setting("The user, where the server has users.", default=None)
    password_file: SecretFile | None = setting("A file whose first line is the password.", default=None)
    prefix: Text | None = setting("Put in front of the token to make the key: vnc: for example.", default=None)
    tls: BackendTls | None = setting("Speak TLS to the server.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Tokens that a Python function of your own looks up."""

    call: EntryPoint = setting(
        "package.module:name of a function, async or not, or of a class with a method lookup: it gets the token and "
        "returns host:port, (host, port) or None.",
        required=True,
    )
    source: Text | None = setting("For a class: what it is made with.", default=None, secret=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a client shows to be led to its target, and where targets are looked up: in exactly one of ``SOURCES``."""

    from_: tuple[Place, ...] = setting(
        "Where the token is: query:NAME, header:NAME, cookie:NAME, host or path; the first that is there counts.",
        required=True,
    )
    file: FileOrDirectory | None = setting(
        "A file with lines like token: host:port, or a directory of such files; read again whenever they change.",
        default=None,
    )
    directory: Directory | None = setting(
        "A directory in which each file's name is a token and its text the target; a socket is the target itself.",
        default=None,
    )
    jwt: Jwt | None = setting("Signed tokens that carry their target.", default=None)
    redis: Redis | None = setting("A Redis database.", default=None)
    url: TokenUrl | None = setting(
        "An HTTP service: http://host/path/{token} answers host:port, or JSON with host and port; 404 is no target.",
        default=None,
    )
    python: Lookup | None = setting("A Python function.", default=None)
    url_tls: BackendTls = setting("TLS to the https service of url.", default=BackendTls())
    scheme: Scheme = setting("What is spoken to targets that come without a scheme of their own.", default=Scheme.TCP)
    timeout: Timeout = setting("For one lookup.", default=5.0)
    revoke: bool = setting("End a session with 1008 when its token leads nowhere any more.", default=False)


SOURCES = ("file", "directory", "jwt", "redis", "url", "python")  # the keys of Token that are one
