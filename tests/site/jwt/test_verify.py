"""A token is valid, or it is refused with a reason that never shows it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.site.jwt.signing import SECRET, jwk, key_set, private, private_pem, public_pem
from wsgate.site.jwt.keys import MAX_KEYS, Key, read_key, read_key_set
from wsgate.site.jwt.valid_token import BadToken
from wsgate.site.jwt.verify import LEEWAY, MAX_TOKEN, MAX_TRIED, Rules, names_unknown_key, verify

KEYS = read_key(public_pem("P256"), ())
ALICE = b'{"sub": "alice"}'
NO_JWT = "the token is no JWT"
UNKNOWN = "no key here verifies the token's algorithm"


def sign(claims: dict[str, Any], kind: str = "P256", number: int = 0, **more: Any) -> str:
    algorithm = {"R": "RS256", "P": "ES256", "E": "EdDSA"}[kind[0]]
    return jwt.encode(claims, private(kind, number), **{"algorithm": algorithm, **more})


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def refusal(token: str, keys: tuple[Key, ...] = KEYS, **rules: Any) -> str:
    with pytest.raises(BadToken) as caught:
        verify(token, keys, Rules(**rules))
    assert len(token) < 6 or token not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        *(("RSA", f"{family}{bits}") for family in ("RS", "PS") for bits in (256, 384, 512)),
        *(("P256", "ES256"), ("P384", "ES384"), ("P521", "ES512"), ("Ed25519", "EdDSA"), ("Ed448", "EdDSA")),
    ],
)
def test_each_algorithm(kind: str, algorithm: str) -> None:
    token = sign({"sub": "alice"}, kind, algorithm=algorithm)
    assert verify(token, read_key(public_pem(kind), [algorithm]), Rules()) == {"sub": "alice"}


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(("algorithm", "digest"), [("HS256", "sha256"), ("RS256", "sha256"), ("RS512", "sha512")])
def test_tokens_that_openssl_signs(tmp_path: Path, algorithm: str, digest: str) -> None:
    signed = f"{part(json.dumps({'alg': algorithm}).encode())}.{part(ALICE)}"
    key = tmp_path / "key.pem"
    key.write_bytes(private_pem("RSA"))
    how = ["-hmac", SECRET.decode()] if algorithm == "HS256" else ["-sign", str(key)]
    command = ["openssl", "dgst", f"-{digest}", "-binary", *how]
    signature = subprocess.run(command, input=signed.encode(), capture_output=True, check=True, timeout=30).stdout
    keys = read_key(SECRET if algorithm == "HS256" else public_pem("RSA"), [algorithm])
    assert verify(f"{signed}.{part(signature)}", keys, Rules()) == {"sub": "alice"}
    assert (
        refusal(f"{signed}.{part(signature[:-1] + bytes([signature[-1] ^ 1]))}", keys)
        == "the token's signature does not match"
    )


def test_times() -> None:
    now = time.time()
    assert verify(sign({"exp": now + 60, "nbf": now - 60, "iat": now - 60}), KEYS, Rules())
    assert verify(sign({"exp": now - LEEWAY / 2, "nbf": now + LEEWAY / 2, "iat": now + LEEWAY / 2}), KEYS, Rules())
    assert refusal(sign({"exp": now - LEEWAY - 5})) == "the token has expired"
    assert refusal(sign({"exp": now - 2}), leeway=0.0) == "the token has expired"
    assert refusal(sign({"nbf": now + LEEWAY + 60})) == "the token is not valid yet"
    assert refusal(sign({"iat": now + LEEWAY + 60})) == "the token is not valid yet"
    assert verify(sign({"iat": now + LEEWAY + 60}), KEYS, Rules(heeds_iat=False))
    wrong: list[Any] = ["soon", [], {}, float("inf"), float("nan")]
    for claim in ("exp", "nbf", "iat"):
        for nonsense in wrong:
            token = jwt.PyJWS().encode(json.dumps({claim: nonsense}).encode(), private("P256"), algorithm="ES256")
            assert refusal(token) == NO_JWT


def test_whom_it_is_from_and_for() -> None:
    rules: dict[str, Any] = {"audience": ("chat", "mail"), "issuer": "hr"}
    for audience in ("mail", ["x", "chat"]):
        assert verify(sign({"aud": audience, "iss": "hr"}), KEYS, Rules(**rules))
    assert refusal(sign({"aud": "x", "iss": "hr"}), **rules) == "the token is for another audience"
    assert refusal(sign({"iss": "hr"}), **rules) == "the token lacks the claim aud"
    assert refusal(sign({"aud": "chat", "iss": "x"}), **rules) == "the token is from another issuer"
    assert refusal(sign({"aud": "chat"}), **rules) == "the token lacks the claim iss"
    assert verify(sign({"aud": "chat"}), KEYS, Rules())


def test_forged_tokens() -> None:
    head, body, signature = sign({"sub": "alice"}).split(".")
    assert refusal(f"{head}.{part(b'{}')}.{signature}") == "the token's signature does not match"
    for none in ("none", "None", "nOnE"):
        assert refusal(f"{part(json.dumps({'alg': none}).encode())}.{body}.") == f"{UNKNOWN} (unknown)"
    # the public key as a secret (RFC 8725 §2.1)
    signed = part(b'{"alg": "HS256"}') + f".{body}"
    forged = hmac.digest(public_pem("P256"), signed.encode(), hashlib.sha256)
    assert refusal(f"{signed}.{part(forged)}") == f"{UNKNOWN} (HS256)"
    assert refusal(sign({}, "RSA")) == f"{UNKNOWN} (RS256)"
    assert refusal(sign({}, number=1)) == "the token's signature does not match"
    # a name of a key is no path, address or query
    for kid in ("../../etc/passwd", "/dev/null", "https://evil.example/keys", "' or 1=1", "x" * 4000):
        assert refusal(sign({}, number=1, headers={"kid": kid})) == "the token's signature does not match"
    for more in ({"jku": "https://evil.example"}, {"jwk": jwk("P256", 1)}, {"x5u": "https://evil.example"}):
        assert refusal(sign({}, number=1, headers=more)) == "the token's signature does not match"
    assert refusal(sign({}, headers={"crit": ["x"], "x": 1})) == NO_JWT


def test_malformed_tokens() -> None:
    good = sign({"sub": "alice"})
    head, body, signature = good.split(".")
    wrong = ["", ".", "..", "a.b.c", f"{head}.{body}", f"{good}.x", f"{good}=", f" {good}", f"{good}\n", "ü.ü.ü", "\0"]
    wrong += [f"{head}.{body}.{signature[:9]}!{signature[9:]}", good.replace(".", "%2e"), f"{part(b'[]')}.{body}."]
    wrong += [f"{part(b'[' * 5000)}.{body}.{signature}", f"{part(b'5')}.{body}.{signature}", f"{head}..{signature}x"]
    for token in wrong:
        assert refusal(token) in (NO_JWT, "the token's signature does not match")
    algorithms: list[Any] = [5, ["ES256"], {}, None]
    for algorithm in algorithms:
        assert refusal(f"{part(json.dumps({'alg': algorithm}).encode())}.{body}.{signature}")
    assert refusal(f"{good}.x.y") == "the token is encrypted (JWE): only signed ones (JWS) are taken"
    assert refusal("x" * (MAX_TOKEN + 1)) == f"a token of {MAX_TOKEN + 1} characters: {MAX_TOKEN} is the most"
    for claims in (b"5", b"[1]", b'"sub"', b"{", b"\xff", b"[" * 5000, b'{"exp": ' + b"9" * 5000 + b"}"):
        assert refusal(jwt.PyJWS().encode(claims, private("P256"), algorithm="ES256")) == NO_JWT


def test_which_key() -> None:
    keys = read_key_set(key_set(jwk("P256", 0, kid="old"), jwk("P256", 1, kid="new"), jwk("RSA", kid="r")), ())
    assert verify(sign({}, number=1, headers={"kid": "new"}), keys, Rules()) == {}
    assert refusal(sign({}, number=1, headers={"kid": "old"}), keys) == "the token's signature does not match"
    # without a name, or with an unknown one: each that fits
    assert verify(sign({}, number=1), keys, Rules()) == {}
    assert verify(sign({}, number=1, headers={"kid": "?"}), keys, Rules()) == {}
    expired = sign({"exp": 1}, number=1)
    assert refusal(expired, keys) == "the token has expired"


def test_a_token_is_not_tried_with_every_key() -> None:
    item = jwk("P256")
    many = read_key_set(key_set(*({**item, "kid": str(number)} for number in range(MAX_KEYS))), ())
    assert verify(sign({}, headers={"kid": "7"}), many, Rules()) == {}
    assert refusal(sign({}), many) == f"the token does not name its key (kid), and {MAX_KEYS} keys fit"
    assert verify(sign({}), many[:MAX_TRIED], Rules()) == {}


def test_names_unknown_key() -> None:
    named = read_key_set(key_set(jwk("P256", kid="a")), ())
    assert not names_unknown_key(sign({}), named)
    assert not names_unknown_key(sign({}, headers={"kid": "a"}), named)
    assert names_unknown_key(sign({}, headers={"kid": "b"}), named)
    assert not names_unknown_key(sign({}, headers={"kid": "b"}), KEYS)
    assert names_unknown_key(sign({}, headers={"kid": "b"}), ())
    with pytest.raises(BadToken):
        names_unknown_key("x", named)


SEGMENT = st.one_of(
    st.binary(max_size=200).map(part),
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "exp", "aud", "iss", "sub", "zip"]), st.one_of(
        st.sampled_from(["ES256", "HS256", "none", "a"]), st.floats(), st.integers(), st.none(), st.lists(st.text())
    )).map(lambda found: part(json.dumps(found).encode())),
    st.text(max_size=50),
)  # fmt: skip


@given(st.lists(SEGMENT, max_size=6).map(".".join))
def test_a_hostile_token_is_refused(token: str) -> None:
    refusal(token, audience=("chat",))


@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_changed_token_is_refused(position: int, inserted: bytes) -> None:
    token = sign({"sub": "alice"})
    where = position % len(token)
    changed = token[:where] + inserted.decode("latin-1") + token[where + 1 :]
    if changed != token and not changed.startswith(token[:-1]):  # the last character has bits that mean nothing
        refusal(changed)


@given(st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "jti"]), st.one_of(
    st.floats(), st.integers(), st.text(), st.none(), st.booleans(), st.lists(st.integers()),
)))  # fmt: skip
def test_hostile_claims_are_refused_or_returned(claims: dict[str, Any]) -> None:
    """Their issuer is trusted, and may have bugs."""
    token = jwt.PyJWS().encode(json.dumps(claims).encode(), private("P256"), algorithm="ES256")
    with contextlib.suppress(BadToken):
        assert verify(token, KEYS, Rules(audience=("a",), issuer="b")).keys() == claims.keys()
