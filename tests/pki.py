"""Certificates for tests, made anew in each run."""

from __future__ import annotations

import contextlib
import datetime
import functools
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from cryptography.hazmat.primitives import serialization


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, each in a file of its own."""

    certificate: str
    key: str

    def settings(self) -> dict[str, str]:
        """As the configuration names them."""
        return {"certificate": self.certificate, "key": self.key}


class Authority:
    """A CA. ``file`` is its own certificate."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.ca = trustme.CA()
        self._directory = directory
        self.file = str(directory / f"{name}.pem")
        self.ca.cert_pem.write_to_path(self.file)

    def issue(self, *names: str, to: str = "server", **options: Any) -> Pair:
        """A certificate for host names or addresses, in the files ``to``.pem and ``to``.key."""
        return write(self.ca.issue_cert(*names, **options), self._directory, to)


def write(leaf: trustme.LeafCert, directory: Path, to: str = "server") -> Pair:
    certificate, key = directory / f"{to}.pem", directory / f"{to}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(str(key))
    return Pair(str(certificate), str(key))


def encrypt(key: str, password: bytes) -> None:
    """Put a password on a key's file."""
    loaded = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    Path(key).write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
    )


def days(number: float) -> datetime.datetime:
    """So many days from now."""
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=number)


@functools.cache
def shared() -> trustme.CA:
    """Returns a CA for all tests that need no special one."""
    return trustme.CA()


def client_context(authority: Authority | None = None, pair: Pair | None = None, **attributes: Any) -> ssl.SSLContext:
    """Returns a client's context that trusts a CA, or none; with a certificate of its own; ``attributes`` of the
    context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # which Python 3.11.2 sets itself: a cut is no end
    if authority is not None:
        context.load_verify_locations(authority.file)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


def shake_hands(client: ssl.SSLObject, server: ssl.SSLObject, *, rounds: int = 4) -> None:
    """Does a handshake between both sides through the memory BIOs of ``pair_of``.

    Raises the error of the side that fails first.
    """
    for _ in range(rounds):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    with contextlib.suppress(ssl.SSLWantReadError):
        client.read(1)  # the tickets of TLS 1.3 come behind the handshake


def pair_of(
    client: ssl.SSLContext, server: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """The two ends of a connection in memory, with their handshake still to come."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    return (
        client.wrap_bio(down, up, server_hostname=name, session=session),
        server.wrap_bio(up, down, server_side=True),
    )


def server_context(pair: Pair, client_ca: str | None = None, **attributes: Any) -> ssl.SSLContext:
    """Returns a server's context with this certificate; client_ca: which CA must have signed a client's"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    for name, value in attributes.items():
        setattr(context, name, value)
    return context
