"""What is a key, and for which algorithms."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.pki import shared
from tests.site.jwt.signing import SECRET, jwk, key_set, private_pem, public_pem
from wsgate.site.jwt.keys import MAX_KEYS, read_key, read_key_set

RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
HMAC = {"HS256", "HS384", "HS512"}


@pytest.mark.parametrize(
    ("data", "algorithms"),
    [
        (public_pem("RSA"), RSA),
        (public_pem("P256"), {"ES256"}),
        (public_pem("P384"), {"ES384"}),
        (public_pem("P521"), {"ES512"}),
        (public_pem("Ed25519"), {"EdDSA"}),
        (public_pem("Ed448"), {"EdDSA"}),
        (private_pem("P256"), {"ES256"}),
        (b"a comment\n" + public_pem("P256"), {"ES256"}),
        (shared().issue_cert("signer.example").cert_chain_pems[0].bytes(), {"ES256"}),
        (SECRET, HMAC),
    ],
)
def test_the_algorithms_fit_the_key(data: bytes, algorithms: set[str]) -> None:
    (key,) = read_key(data, ())
    assert key.algorithms == algorithms
    assert key.weak == ""


def test_the_ways_to_write_a_secret() -> None:
    assert [key.value for key in read_key(b"with spaces in it\r\n", ())] == [b"with spaces in it"]
    encoded = base64.urlsafe_b64encode(b"\xff" * 40).rstrip(b"=")
    assert [key.value for key in read_key(encoded + b"\n", ())] == [encoded, b"\xff" * 40]


@pytest.mark.parametrize(
    ("data", "wanted", "problem"),
    [
        (b"", (), "is empty"),
        (b"\n", (), "is empty"),
        (b"\x30\x82\x00", (), "neither a key in PEM"),
        (key_set(jwk("P256")), (), "a key set goes under jwks"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", (), "no key that can be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", (), "no key that can be read"),
        (private_pem("P256", b"secret"), (), "private key with a password"),
        (public_pem("P224"), (), "signs no tokens"),
        (public_pem("RSA"), ("HS256",), r"fits none of algorithms \(HS256\): this is a key of the kind RSA, which tak"),
        (public_pem("P256"), ("ES384", "RS256"), "which takes ES256$"),
        (SECRET, ("RS256",), "this is a shared secret"),
    ],
)
def test_what_is_no_key(data: bytes, wanted: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_key(data, wanted)


def test_only_the_algorithms_that_are_wanted() -> None:
    (key,) = read_key(public_pem("RSA"), ("PS256", "ES256", "RS512"))
    assert key.algorithms == {"PS256", "RS512"}


def test_the_same_key_has_the_same_fingerprint() -> None:
    def fingerprints(*data: bytes) -> set[bytes]:
        read = [read_key_set(each, ()) if each.startswith(b"{") else read_key(each, ("ES256",)) for each in data]
        return {keys[0].fingerprint for keys in read}

    sets = [key_set(jwk("P256", kid=kid)) for kid in "ab"]
    assert len(fingerprints(public_pem("P256"), private_pem("P256"), *sets)) == 1
    assert (
        len(fingerprints(public_pem("P256", 0), public_pem("P256", 1), key_set(jwk("RSA")), key_set(jwk("Ed448")))) == 4
    )
    assert read_key(SECRET, ())[0].fingerprint != read_key(SECRET + b"x", ())[0].fingerprint
    assert SECRET not in read_key(SECRET, ())[0].fingerprint


def test_weak_keys() -> None:
    (key, *_) = read_key(b"too short", ())
    assert key.weak.startswith("the secret has 9 bytes, and should have 32")
    (key,) = read_key(public_pem("RSA1024"), ())
    assert key.weak == "the RSA key has 1024 bits, and should have 2048"


def test_a_key_set() -> None:
    secret = {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET).decode(), "kid": "s"}
    rsa, *others = read_key_set(
        key_set(
            jwk("RSA", kid="r", alg="RS512"), jwk("P384", kid="e"), jwk("Ed448"), jwk("Ed25519", use="sig"), secret
        ),
        (),
    )
    assert (rsa.kid, set(rsa.algorithms)) == ("r", {"RS512"})
    assert [(key.kid, set(key.algorithms)) for key in others] == [
        ("e", {"ES384"}),
        (None, {"EdDSA"}),
        (None, {"EdDSA"}),
        ("s", HMAC),
    ]
    (only,) = read_key_set(key_set(jwk("RSA"), jwk("P256")), ("ES256",))
    assert only.algorithms == {"ES256"}


@pytest.mark.parametrize(
    "other",
    [
        jwk("RSA", use="enc"),
        jwk("RSA", key_ops=["encrypt"]),
        jwk("RSA", key_ops=5),
        jwk("RSA", alg="RSA-OAEP"),
        jwk("RSA", alg="HS256"),
        jwk("RSA", alg=["RS256"]),
        {"kty": "RSA", "n": "x"},
        {"kty": "RSA", "n": "!", "e": "!"},
        {"kty": "oct", "k": ""},
        {"kty": "new"},
        {},
        "text",
        None,
    ],
)
def test_keys_that_are_for_others(other: Any) -> None:
    good, *rest = read_key_set(key_set(other, jwk("P256")), ())
    assert (set(good.algorithms), list(rest)) == ({"ES256"}, [])
    with pytest.raises(ValueError, match="no key that verifies"):
        read_key_set(key_set(other), ())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"keys": {}}', b"\xff", b"[" * 100_000, public_pem("P256")])
def test_what_is_no_key_set(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"is no JSON|has no list of keys"):
        read_key_set(data, ())


def test_keys_that_are_too_much() -> None:
    """They come from a server, too, and each check of a token would take long."""
    huge = base64.urlsafe_b64encode(b"\xff" * (16384 // 8 + 1)).decode().rstrip("=")
    with pytest.raises(ValueError, match=r"has no key that verifies"):
        read_key_set(key_set({"kty": "RSA", "n": huge, "e": "AQAB"}), ())
    with pytest.raises(ValueError, match=r"has 501 keys, and may have 500"):
        read_key_set(key_set(*[{}] * (MAX_KEYS + 1)), ())
