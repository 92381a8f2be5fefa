"""Signed tokens: where they are shown, and how who has none is answered (RFC 6750)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jwt
import pytest
import trio
from trio.testing import MockClock

from tests.gate.asking import asking
from tests.gate.conftest import NOWHERE, route
from tests.site.jwt.signing import private, public_pem, write
from wsgate.gate.admission import admit
from wsgate.gate.exchange import Exchange
from wsgate.gate.fields import fields_for_backend
from wsgate.settings.model import Auth, CredentialPlace, CredentialPlaceKind, JwtAuth, Timeouts
from wsgate.site.jwt.credential import SignedTokens
from wsgate.wire.http import Refusal

PLACES = tuple(
    CredentialPlace(CredentialPlaceKind(kind), name)
    for kind, name in (
        ("header", "authorization"),
        ("subprotocol", "bearer."),
        ("query", "access_token"),
        ("cookie", "sid"),
    )
)
TOKEN = jwt.encode({"sub": "alice", "team": "red"}, private("P256"), "ES256")
INVALID = {b"WWW-Authenticate": b'Bearer error="invalid_token"'}


@pytest.fixture
def key(tmp_path: Path) -> str:
    return write(tmp_path / "key.pem", public_pem("P256"))


def client(key: str, *fields: tuple[str, str], target: bytes = b"/", **settings: Any) -> Exchange:
    tokens = JwtAuth(**{"key": key, "algorithms": ("ES256",), "from_": PLACES, **settings})
    return asking(route(NOWHERE, auth=Auth(jwt=tokens), timeouts=Timeouts(handshake=9.0)), *fields, target=target)


async def refusal(exchange: Exchange) -> Refusal:
    found = await admit(exchange)
    assert found is not None
    assert TOKEN not in found.detail
    assert exchange.user is None
    return found


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ([("Authorization", f"Bearer {TOKEN}")], b"/"),
        ([("Authorization", f"bEARER   {TOKEN}")], b"/"),
        ([("Sec-WebSocket-Protocol", f"chat, bearer.{TOKEN}")], b"/"),
        ([("Cookie", f"a=b; sid={TOKEN}")], b"/"),
        ([], f"/?x=1&access_token={TOKEN}".encode()),
        ([("Authorization", "Basic YTpi")], f"/?access_token={TOKEN}".encode()),
    ],
)
async def test_where_it_is_shown(key: str, fields: list[tuple[str, str]], target: bytes) -> None:
    exchange = client(key, *fields, target=target)
    assert await admit(exchange) is None
    assert exchange.user == "alice"


async def test_what_backends_get(key: str) -> None:
    sent = [("Authorization", f"Bearer {TOKEN}"), ("X-Team", "blue"), ("X_Team", "blue")]
    exchange = client(key, *sent, fields=(("X-Team", "team"), ("X-Level", "level")))
    assert await admit(exchange) is None
    fields = fields_for_backend(exchange)
    assert (b"X-Team", b"red") in list(fields.written)
    assert (b"X-Auth-User", b"alice") in list(fields.written)
    assert {b"x-team", b"x-level", b"x-auth-user"} <= set(fields.dropped)


@pytest.mark.parametrize("fields", [[], [("Authorization", "Basic YTpi")], [("Authorization", "Bearer ")]])
async def test_who_shows_none(key: str, fields: list[tuple[str, str]]) -> None:
    found = await refusal(client(key, *fields))
    assert (found.status, found.reason) == (401, "a token is needed")
    assert dict(found.headers) == {b"WWW-Authenticate": b'Bearer realm="wsgate"'}


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ([("Authorization", f"Bearer {TOKEN}")] * 2, "a credential is sent twice in header:authorization"),
        ([("Authorization", f"Bearer {TOKEN}x")], "the token is no JWT"),
        ([("Authorization", f"Bearer {TOKEN}=")], "the token is no JWT"),
        ([("Authorization", f"Bearer {TOKEN} x")], "the token is no JWT"),
        ([("Authorization", "Bearer \xff\xfe")], "a credential is malformed in header:authorization"),
        ([("Authorization", "Bearer " + "x" * 9000)], "a token of 9000 characters: 8192 is the most"),
        ([("Cookie", f"sid={TOKEN}; sid={TOKEN}")], "a credential is sent twice in cookie:sid"),
        ([("Sec-WebSocket-Protocol", "bearer.x")], "the token is no JWT"),
    ],
)
async def test_who_shows_a_wrong_one(key: str, fields: list[tuple[str, str]], detail: str) -> None:
    found = await refusal(client(key, *fields))
    assert (found.status, found.reason, found.detail) == (401, "the token is not valid", detail)
    assert dict(found.headers) == INVALID


async def test_keys_that_cannot_be_read(key: str) -> None:
    exchange = client(key, ("Authorization", f"Bearer {TOKEN}"))
    os.unlink(key)
    found = await refusal(exchange)
    assert (found.status, found.reason) == (503, "tokens cannot be checked now: try again")
    assert "does not exist" in found.detail
    assert dict(found.headers) == {b"Retry-After": b"5"}


async def test_keys_that_do_not_come(key: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(self: SignedTokens, token: str) -> object:
        await trio.sleep_forever()

    monkeypatch.setattr(SignedTokens, "check", check)
    found = await refusal(client(key, ("Authorization", f"Bearer {TOKEN}")))
    assert (found.status, trio.current_time() > 8) == (503, True)
    assert found.detail.startswith("not within 9 s: the keys")
