"""The tokens of one ``auth.jwt``: who is admitted, and what is told of him."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
import trio

from tests.peers.sockets import serve_tcp
from tests.site.jwt.signing import jwk, key_set, private, public_pem, write
from wsgate.settings.model import BackendTls, Expire, HttpUrl, JwtAuth, TcpAddress
from wsgate.site.jwt.credential import SignedTokens
from wsgate.site.jwt.valid_token import BadToken, ValidToken
from wsgate.site.tokens.source import SourceError

KEYS = HttpUrl(True, TcpAddress("login.example.com", 443), "/keys")


def sign(claims: dict[str, Any], number: int = 0, **headers: Any) -> str:
    return jwt.encode(claims, private("P256", number), "ES256", headers=headers)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return write(tmp_path / "key.pem", public_pem("P256"))


def tokens(**settings: Any) -> SignedTokens:
    return SignedTokens(JwtAuth(algorithms=("ES256",), **settings))


async def told(tokens: SignedTokens, token: str) -> ValidToken:
    """Returns what a token tells of the client."""
    return dataclasses.replace(await tokens.check(token), key=None)


async def refusal(tokens: SignedTokens, token: str) -> str:
    with pytest.raises(BadToken) as caught:
        await tokens.check(token)
    assert token not in str(caught.value)
    return str(caught.value)


async def test_the_user(key: str) -> None:
    assert await told(tokens(key=key), sign({"sub": "alice"})) == ValidToken("alice")
    assert await told(tokens(key=key), sign({})) == ValidToken()
    by_name = tokens(key=key, user="person.name")
    assert await told(by_name, sign({"sub": "x", "person": {"name": "Alice"}})) == ValidToken("Alice")
    assert await told(by_name, sign({"person": {"name": 7}})) == ValidToken("7")
    assert await told(by_name, sign({"person": {"name": ""}})) == ValidToken()


async def test_fields(key: str) -> None:
    it = tokens(key=key, fields=(("X-Team", "team"), ("X-Roles", "realm.roles"), ("X-None", "none")))
    assert sorted(it.writes) == [b"x-none", b"x-roles", b"x-team"]
    found = await it.check(sign({"team": "grün\r\nX-Admin: 1", "realm": {"roles": ["a", "b"]}}))
    # No claim makes a second field of one
    assert found.fields == ((b"X-Team", b"gr%C3%BCn%0D%0AX-Admin: 1"), (b"X-Roles", b'["a","b"]'))


async def test_required_claims(key: str) -> None:
    it = tokens(key=key, require=("exp", "person.name"))
    exp = time.time() + 60
    assert await told(it, sign({"exp": exp, "person": {"name": "x"}})) == ValidToken()
    assert await refusal(it, sign({"exp": exp})) == "the token lacks the claim person.name"
    assert await refusal(it, sign({"person": {"name": "x"}})) == "the token lacks the claim exp"
    it = tokens(key=key, claims=(("scope", "chat"), ("groups", "staff")))
    assert await told(it, sign({"scope": "mail chat", "groups": ["staff", "x"]})) == ValidToken()
    assert await refusal(it, sign({"scope": "chat"})) == "the token's claim groups is not what it must be"
    assert await refusal(it, sign({"scope": "chats", "groups": "staff"})) == (
        "the token's claim scope is not what it must be"
    )


async def test_issuer_audience_and_leeway(key: str) -> None:
    it = tokens(key=key, issuer="hr", audience=("a", "b"), leeway=0.0)
    now = time.time()
    assert await told(it, sign({"iss": "hr", "aud": "b", "exp": now + 60})) == ValidToken()
    assert await refusal(it, sign({"iss": "hr", "aud": "b", "exp": now - 2})) == "the token has expired"
    assert await refusal(it, sign({"iss": "x", "aud": "b"})) == "the token is from another issuer"
    assert await refusal(it, sign({"iss": "hr", "aud": "c"})) == "the token is for another audience"
    assert await told(tokens(key=key, leeway=600.0), sign({"exp": now - 500})) == ValidToken()


async def test_when_it_expires(key: str) -> None:
    exp = int(time.time()) + 60
    assert (await tokens(key=key).check(sign({"exp": exp}))).expires is None
    it = tokens(key=key, expire=Expire.CLOSE, leeway=5.0)
    assert (await it.check(sign({"exp": exp}))).expires == exp + 5
    assert (await it.check(sign({}))).expires is None
    assert (await it.check(sign({"exp": 10**400}))).expires == (1 << 40) + 5


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    missing, ca = str(tmp_path / "none"), BackendTls(ca=str(tmp_path / "ca"))
    assert [path for path, _ in tokens(key=missing).load()] == ["key"]
    assert [path for path, _ in tokens(jwks=missing).load()] == ["jwks"]
    assert [path for path, _ in tokens(jwks=KEYS, jwks_tls=ca).load()] == ["jwks_tls.ca"]
    assert list(tokens(jwks=KEYS).load()) == []


async def test_a_file_that_comes_later(tmp_path: Path) -> None:
    """As when a worker is replaced meanwhile."""
    it = tokens(key=str(tmp_path / "key"))
    assert it.load()
    with pytest.raises(SourceError):
        await it.check(sign({}))
    write(tmp_path / "key", public_pem("P256"))
    assert await told(it, sign({})) == ValidToken()
    with trio.fail_after(5):
        await it.run()  # there is nothing to do for a file


async def test_a_server_that_rotates_its_keys() -> None:
    served = key_set(jwk("P256", 0, kid="a"))

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(f"HTTP/1.1 200 OK\r\nContent-Length: {len(served)}\r\n\r\n".encode() + served)

    async with trio.open_nursery() as nursery:
        url = HttpUrl(False, TcpAddress("127.0.0.1", await serve_tcp(nursery, serve)), "/keys")
        it = tokens(jwks=url, refresh=0.001)  # which is the least time between two questions, too
        assert list(it.load()) == []
        with pytest.raises(SourceError, match="no keys were read yet"):
            await it.present()
        nursery.start_soon(it.run)
        alice = await it.check(sign({"sub": "alice"}, 0, kid="a"))
        assert alice.user == "alice"
        assert alice.key in await it.present()
        served = key_set(jwk("P256", 1, kid="b"))
        bob = await it.check(sign({"sub": "bob"}, 1, kid="b"))
        assert bob.user == "bob"
        assert await refusal(it, sign({"sub": "alice"}, 0, kid="a")) == "the token's signature does not match"
        present = await it.present()
        assert (alice.key in present, bob.key in present) == (False, True)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("of", ["key", "jwks"])
async def test_the_keys_that_are_present(tmp_path: Path, of: str) -> None:
    def put(*numbers: int) -> None:
        data = public_pem("P256", *numbers) if of == "key" else key_set(*(jwk("P256", each) for each in numbers))
        write(tmp_path / "new", data)
        (tmp_path / "new").replace(tmp_path / "keys")

    put(0)
    it = tokens(**{of: str(tmp_path / "keys")})
    key = (await it.check(sign({}))).key
    before = await it.present()
    assert key in before
    put(0)
    assert await it.present() is before  # so that no session is looked up
    put(1)
    assert key not in await it.present()
    (tmp_path / "keys").unlink()
    with pytest.raises(SourceError):
        await it.present()
