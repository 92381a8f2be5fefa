"""Signed tokens that carry their target."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.log import Log
from tests.site.jwt.signing import SECRET, jwk, key_set, private, public_pem, write
from wsgate.settings.model import Jwt, Target, TcpAddress, UnixAddress
from wsgate.site.jwt.verify import LEEWAY
from wsgate.site.tokens.jwt import JwtSource
from wsgate.site.tokens.source import NoTarget, SourceError

CLAIMS = {"host": "10.0.0.1", "port": 5900}
DESK = (Target(TcpAddress("10.0.0.1", 5900)),)


def sign(claims: dict[str, Any] | None = None, kind: str = "P256", number: int = 0, **more: Any) -> str:
    algorithm = {"R": "RS256", "P": "ES256", "E": "EdDSA"}[kind[0]]
    key = private(kind, number)
    return jwt.encode(CLAIMS if claims is None else claims, key, **{"algorithm": algorithm, **more})


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], secret: bytes = b"", claims: object = CLAIMS) -> str:
    """A token as an attacker makes one, with an HMAC where there is a secret."""
    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256)) if secret else ''}"


@pytest.fixture
def key(tmp_path: Path) -> str:
    return write(tmp_path / "key.pem", public_pem("P256"))


async def refusal(source: JwtSource, token: str) -> str:
    with pytest.raises(NoTarget) as caught:
        await source.look_up(token)
    assert len(token) < 6 or token not in str(caught.value)
    assert await source.missing([token]) == {token}
    return str(caught.value)


@pytest.mark.parametrize("kind", ["RSA", "P256", "Ed25519", "Ed448"])
async def test_a_public_key(tmp_path: Path, kind: str) -> None:
    source = JwtSource(Jwt(key=write(tmp_path / "key", public_pem(kind))), False)
    assert await source.look_up(sign(kind=kind)) == DESK
    assert await refusal(source, sign(kind=kind, number=1)) == "the token's signature does not match"
    assert await source.missing([sign(kind=kind), "x"]) == {"x"}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_shared_secret(tmp_path: Path, algorithm: str) -> None:
    source = JwtSource(Jwt(key=write(tmp_path / "key", SECRET + b"\n")), False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        token = jwt.encode(CLAIMS, SECRET, algorithm=algorithm)
    assert await source.look_up(token) == DESK


async def test_a_secret_as_websockify_reads_it(tmp_path: Path, log: Log) -> None:
    """Its file has the secret in base64url, and may be short."""
    source = JwtSource(Jwt(key=write(tmp_path / "key", part(b"short one").encode())), False)
    assert await source.look_up(by_hand({"alg": "HS256"}, b"short one")) == DESK
    assert await source.look_up(by_hand({"alg": "HS256"}, part(b"short one").encode())) == DESK
    assert await refusal(source, by_hand({"alg": "HS256"}, b"another")) == "the token's signature does not match"
    (first, *_) = log.all("token key is weak")
    assert "should have 32" in first["reason"]


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"host": "a", "port": "5900"}, Target(TcpAddress("a", 5900))),
        ({"host": "::1", "port": 1, "sub": 7, "jti": 7, "iat": 9e9, "aud": "x"}, Target(TcpAddress("::1", 1))),
        ({"host": "tls://a:1"}, Target(TcpAddress("a", 1), tls=True)),
        ({"unix_socket": "/run/x"}, Target(UnixAddress("/run/x"))),
    ],
)
async def test_claims(key: str, claims: dict[str, Any], expected: Target) -> None:
    # by hand: PyJWT does not sign some of these
    token = jwt.PyJWS().encode(json.dumps(claims).encode(), private("P256"), algorithm="ES256")
    assert await JwtSource(Jwt(key=key), False).look_up(token) == (expected,)


@pytest.mark.parametrize(
    "claims", [{}, {"host": "a"}, {"port": 1}, {"host": "a b", "port": 1}, {"host": "a", "port": 1.0}]
)
async def test_a_valid_token_without_a_target(key: str, claims: dict[str, Any]) -> None:
    said = await refusal(JwtSource(Jwt(key=key), False), sign(claims))
    assert said.startswith("the token is valid, but what it claims as host and port has ")


async def test_time(key: str) -> None:
    source, now = JwtSource(Jwt(key=key), False), time.time()
    assert await source.look_up(sign({**CLAIMS, "exp": now + 600, "nbf": now - 600})) == DESK
    assert await source.look_up(sign({**CLAIMS, "exp": now - LEEWAY / 2, "nbf": now + LEEWAY / 2})) == DESK
    assert await refusal(source, sign({**CLAIMS, "exp": now - LEEWAY - 5})) == "the token has expired"
    assert await refusal(source, sign({**CLAIMS, "nbf": now + LEEWAY + 60})) == "the token is not valid yet"


async def test_a_token_expires_while_its_session_runs(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = JwtSource(Jwt(key=key), False)
    token = sign({**CLAIMS, "exp": time.time() + 600})
    assert await source.missing([token]) == set()

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Later:
            return cls.fromtimestamp(time.time() + 700, tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Later)
    assert await source.missing([token]) == {token}


async def test_audience_and_issuer(key: str) -> None:
    source = JwtSource(Jwt(key=key, audience="desks", issuer="hr"), False)
    assert await source.look_up(sign({**CLAIMS, "aud": ["desks", "x"], "iss": "hr"})) == DESK
    assert await refusal(source, sign({**CLAIMS, "aud": "x", "iss": "hr"})) == "the token is for another audience"
    assert await refusal(source, sign({**CLAIMS, "aud": "desks", "iss": "x"})) == "the token is from another issuer"
    assert await refusal(source, sign({**CLAIMS, "iss": "hr"})) == "the token lacks the claim aud"
    assert await refusal(source, sign({**CLAIMS, "aud": "desks"})) == "the token lacks the claim iss"


async def test_forged_tokens(key: str) -> None:
    source = JwtSource(Jwt(key=key), False)
    good = sign()
    head, body, signature = good.split(".")
    other = part(json.dumps({"host": "evil", "port": 1}).encode())
    assert await refusal(source, f"{head}.{other}.{signature}") == "the token's signature does not match"
    # the public key as a secret (RFC 8725 §2.1), and no signature at all
    wrong = "no key here verifies the token's algorithm"
    assert await refusal(source, by_hand({"alg": "HS256"}, public_pem("P256"))) == f"{wrong} (HS256)"
    for none in ("none", "None", "nOnE"):
        assert await refusal(source, by_hand({"alg": none})) == f"{wrong} (unknown)"
    assert await refusal(source, sign(kind="RSA")) == f"{wrong} (RS256)"
    for nonsense in ("", ".", "..", "a.b.c", good[:-20], f"{head}.{body}.", f"{good}.x", "x" * 8000, "ü.ü.ü"):
        assert await refusal(source, nonsense)
    headers: list[Any] = [
        {},
        {"alg": 5},
        {"alg": ["ES256"]},
        {"alg": "ES256", "kid": {}},
        {"alg": "ES256", "crit": ["x"]},
    ]
    for header in headers:
        assert await refusal(source, by_hand(header, b"x"))
    deep = b"[" * 5000  # more than Python's parser takes
    assert await refusal(source, f"{part(deep)}.{body}.{signature}") == "the token is no JWT"
    for claims in (b"5", b"[1]", b'"host"', b"{", b"\xff", deep):
        token = jwt.PyJWS().encode(claims, private("P256"), algorithm="ES256")
        assert await refusal(source, token)


async def test_an_encrypted_token_is_refused_in_so_many_words(key: str) -> None:
    said = await refusal(JwtSource(Jwt(key=key), False), "eyJhbGciOiJkaXIifQ..a.b.c")
    assert said == "the token is encrypted (JWE): only signed ones (JWS) are taken"


async def test_a_key_set(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    write(file, key_set(jwk("P256", 0, kid="old"), jwk("P256", 1, kid="new"), jwk("RSA")))
    source = JwtSource(Jwt(jwks=str(file)), False)
    assert await source.look_up(sign(headers={"kid": "old"})) == DESK
    assert await source.look_up(sign(number=1, headers={"kid": "new"})) == DESK
    assert await refusal(source, sign(number=1, headers={"kid": "old"})) == "the token's signature does not match"
    # without a kid, or with an unknown one: each key that fits
    assert await source.look_up(sign(number=1)) == DESK
    assert await source.look_up(sign(number=1, headers={"kid": "?"})) == DESK
    assert await source.look_up(sign(kind="RSA")) == DESK
    assert await refusal(source, sign(number=2)) == "the token's signature does not match"
    expired = sign({**CLAIMS, "exp": 1}, number=1)
    assert await refusal(source, expired) == "the token has expired"
    # a key is rolled
    write(file, key_set(jwk("P256", 2)))
    assert await source.look_up(sign(number=2)) == DESK
    assert await refusal(source, sign(number=1)) == "the token's signature does not match"


async def test_a_key_that_changes(tmp_path: Path) -> None:
    file = tmp_path / "key"
    source = JwtSource(Jwt(key=write(file, public_pem("P256"))), False)
    write(file, public_pem("P256", 1))
    assert await source.look_up(sign(number=1)) == DESK
    write(file, b"")
    with pytest.raises(SourceError, match=r"/key: is empty"):
        await source.look_up(sign(number=1))
    with pytest.raises(SourceError):
        await source.missing([sign(number=1)])


@pytest.mark.parametrize(
    ("data", "more", "problem"),
    [
        (b"-----BEGIN PUBLIC KEY-----\n", {}, r"/key: is no key that can be read"),
        (public_pem("RSA"), {"algorithms": ("HS256",)}, r"/key: fits none of algorithms"),
    ],
)
def test_wrong_at_the_start(tmp_path: Path, data: bytes, more: Any, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        JwtSource(Jwt(key=write(tmp_path / "key", data), **more), False)


def test_without_the_library(key: str) -> None:
    """In a process of its own: there, PyJWT is not installed."""
    program = f"""
import sys
sys.modules["jwt"] = None
from wsgate.site.tokens.opening import open_source
from wsgate.site.tokens.source import SourceError
from wsgate.settings.model import Jwt, Place, PlaceKind, Token
try:
    open_source(Token(from_=(Place(PlaceKind.HOST),), jwt=Jwt(key={key!r})))
except SourceError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout == "it needs PyJWT, not installed here: pip install 'wsgate[jwt]'\n"
