"""Keys that sign tokens, in the files that operators have them in."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

SECRET = b"thirty-two bytes and a few more are enough!"

_PUBLIC = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
_PRIVATE = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


def private(kind: str, number: int = 0) -> Any:
    """A key of a kind; another one for each ``number``."""
    return _made(kind, number)


@functools.cache
def _made(kind: str, number: int) -> Any:
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("RSA") or 2048))
    if kind.startswith("P"):
        curve: Any = {"P256": ec.SECP256R1, "P384": ec.SECP384R1, "P521": ec.SECP521R1, "P224": ec.SECP224R1}[kind]
        return ec.generate_private_key(curve())
    edwards: Any = {"Ed25519": ed25519.Ed25519PrivateKey, "Ed448": ed448.Ed448PrivateKey}[kind]
    return edwards.generate()


def public_pem(kind: str, number: int = 0) -> bytes:
    pem: bytes = private(kind, number).public_key().public_bytes(*_PUBLIC)
    return pem


def private_pem(kind: str, password: bytes | None = None) -> bytes:
    encryption: Any = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    pem: bytes = private(kind).private_bytes(*_PRIVATE, encryption)
    return pem


def jwk(kind: str, number: int = 0, **more: Any) -> dict[str, Any]:
    """The public key as a member of a key set."""
    algorithm = jwt.get_algorithm_by_name({"R": "RS256", "P": "ES256", "E": "EdDSA"}[kind[0]])
    return {**algorithm.to_jwk(private(kind, number).public_key(), as_dict=True), **more}


def key_set(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def write(file: Path, data: bytes) -> str:
    file.write_bytes(data)
    return str(file)
