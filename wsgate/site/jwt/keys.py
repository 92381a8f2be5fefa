"""The keys that verify signed tokens: PEM, a shared secret, or a JSON Web Key Set.

Each key has the algorithms that fit it. A token cannot choose any other, so a public key cannot be used as a shared
secret (RFC 8725 §2.1, §3.1).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.warnings import InsecureKeyLengthWarning

from wsgate.text.jwt import CURVES, EDDSA, HMAC, RSA

_BASE64URL = re.compile(rb"[A-Za-z0-9_-]+={0,2}")
_WEAK_RSA, _WEAK_SECRET = 2048, 32  # bits (RFC 7518 §3.3), bytes (§3.2)
_MAX_RSA = 16384  # bits: OpenSSL verifies with no larger key
MAX_KEYS = 500  # in a set


@dataclass(frozen=True, slots=True)
class Key:
    """A key that verifies signed tokens.

    algorithms: with which it may verify
    fingerprint: the same for the same key, wherever it is read and whatever its name
    kid: its name in a key set
    weak: why it is too weak; empty if it is not
    """

    value: Any
    algorithms: frozenset[str]
    fingerprint: bytes
    kid: str | None = None
    weak: str = ""


def read_key(data: bytes, wanted: Sequence[str]) -> tuple[Key, ...]:
    """Returns the key in a file: PEM, or a shared secret.

    A secret may be meant unchanged, without its line end, or as base64url; each of these is a key then.

    wanted: the accepted algorithms; all if empty

    Raises ``ValueError`` when there is no usable key.
    """
    if b"-----BEGIN " in data:
        public = _public_key(data)
        return _wanted([_key(public)], wanted, f"this is {_describe(public)}")
    secret = data.rstrip(b"\r\n")
    if not secret:
        raise ValueError("is empty: it should be a public key in PEM, or a shared secret")
    if b"\0" in secret or secret.lstrip().startswith(b"{"):
        raise ValueError("is neither a key in PEM nor a secret that is text; a key set goes under jwks")
    keys = [_key(secret)]
    if decoded := _base64url(secret):  # websockify reads a secret as the k of a JWK (RFC 7518 §6.4.1)
        keys.append(_key(decoded))
    return _wanted(keys, wanted, "this is a shared secret (no '-----BEGIN')")


def read_key_set(data: bytes, wanted: Sequence[str]) -> tuple[Key, ...]:
    """Returns the keys of a JSON Web Key Set that can verify signatures; others are ignored (RFC 7517 §5).

    Raises ``ValueError`` when there is none.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON: a key set is an object with a list of keys") from None
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("has no list of keys: a key alone goes under key, in PEM")
    if len(listed) > MAX_KEYS:
        raise ValueError(f"has {len(listed)} keys, and may have {MAX_KEYS}")
    keys = [key for item in listed if isinstance(item, dict) and (key := _from_jwk(item)) is not None]
    if not keys:
        raise ValueError("has no key that verifies signatures: RSA, EC, OKP (Ed25519, Ed448) or oct")
    return _wanted(keys, wanted, "its keys are for others")


def _wanted(keys: Sequence[Key], wanted: Sequence[str], what: str) -> tuple[Key, ...]:
    warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)  # for every token; we log it once, by weak
    if not wanted:
        return tuple(keys)
    fit = [replace(key, algorithms=both) for key in keys if (both := key.algorithms.intersection(wanted))]
    if not fit:
        could = sorted(frozenset[str]().union(*(key.algorithms for key in keys)))
        raise ValueError(f"fits none of algorithms ({', '.join(wanted)}): {what}, which takes {', '.join(could)}")
    return tuple(fit)


def _public_key(pem: bytes) -> Any:
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()
        if b"PRIVATE KEY-----" in pem:
            return serialization.load_pem_private_key(pem, None).public_key()
        return serialization.load_pem_public_key(pem)
    except TypeError:
        raise ValueError("is a private key with a password: verifying needs only the public key") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no key that can be read: it should be a public key or certificate in PEM") from None


def _key(value: Any, kid: str | None = None) -> Key:
    """Makes a key. Raises ``ValueError`` when it cannot verify signatures."""
    if isinstance(value, bytes):
        weak = f"the secret has {len(value)} bytes, and should have {_WEAK_SECRET}: whoever has a token can guess it"
        return Key(value, frozenset(HMAC), _fingerprint(value), kid, weak if len(value) < _WEAK_SECRET else "")
    if isinstance(value, rsa.RSAPublicKey):
        if value.key_size > _MAX_RSA:
            raise ValueError(f"is an RSA key of {value.key_size} bits, and may have {_MAX_RSA}")
        weak = f"the RSA key has {value.key_size} bits, and should have {_WEAK_RSA}"
        return Key(value, frozenset(RSA), _fingerprint(value), kid, weak if value.key_size < _WEAK_RSA else "")
    if isinstance(value, ec.EllipticCurvePublicKey) and value.curve.name in CURVES:
        return Key(value, frozenset({CURVES[value.curve.name]}), _fingerprint(value), kid)
    if isinstance(value, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return Key(value, frozenset(EDDSA), _fingerprint(value), kid)
    raise ValueError(f"is {_describe(value)}, which signs no tokens: use RSA, EC, Ed25519 or Ed448")


def _fingerprint(value: Any) -> bytes:
    der, info = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(value if isinstance(value, bytes) else value.public_bytes(der, info)).digest()


def _from_jwk(item: dict[str, Any]) -> Key | None:
    """Reads a JSON Web Key (RFC 7517 §4). Returns ``None`` if it has another use or cannot be read."""
    operations, kid, algorithm = item.get("key_ops", ["verify"]), item.get("kid"), item.get("alg")
    if item.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        # without its alg, which may be one that PyJWT does not know
        value = jwt.PyJWK({name: part for name, part in item.items() if name != "alg"}, _family(item)).key
        key = _key(value.public_key() if hasattr(value, "public_key") else value, kid if isinstance(kid, str) else None)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, binascii.Error):
        return None
    if algorithm is None:
        return key
    fits = isinstance(algorithm, str) and algorithm in key.algorithms
    return replace(key, algorithms=frozenset({algorithm})) if fits else None


def _family(item: dict[str, Any]) -> str | None:
    """Returns an algorithm that tells PyJWT how to read the key, if PyJWT does not know it itself."""
    return "EdDSA" if item.get("kty") == "OKP" else None


def _base64url(text: bytes) -> bytes | None:
    if not _BASE64URL.fullmatch(text) or len(text.rstrip(b"=")) % 4 == 1:
        return None
    bare = text.rstrip(b"=")
    return base64.urlsafe_b64decode(bare + b"=" * (-len(bare) % 4))


def _describe(value: Any) -> str:
    name = type(value).__name__.removesuffix("PublicKey")
    return f"a key of the kind {name.removeprefix('_')}"
