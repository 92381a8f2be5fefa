"""Keys of programs, in all places of a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.gate.asking import ask, asking
from tests.gate.conftest import NOWHERE, StartGate, at, relay_to, route, tunnel_to
from tests.log import Log
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend
from tests.site.test_api_keys import line
from wsgate.gate.admission import admit
from wsgate.settings.model import (
    Action,
    ApiKeyAuth,
    Auth,
    CredentialPlace,
    CredentialPlaceKind,
    Errors,
    Files,
    PlainHttp,
    Redirect,
    Respond,
    State,
    StateAnswer,
    Timeouts,
    Upgrades,
)
from wsgate.site import hashing
from wsgate.site.api_keys import ApiKeys, digest_of
from wsgate.wire.http import Refusal

PLACES = tuple(
    CredentialPlace(kind, name)
    for kind, name in (
        (CredentialPlaceKind.HEADER, "x-api-key"),
        (CredentialPlaceKind.HEADER, "authorization"),
        (CredentialPlaceKind.QUERY, "key"),
        (CredentialPlaceKind.COOKIE, "key"),
        (CredentialPlaceKind.SUBPROTOCOL, "key."),
    )
)


def keys(directory: Path, **more: Any) -> Auth:
    file = directory / "keys"
    file.write_text(line("meter", "right"))
    return Auth(api_keys=ApiKeyAuth(file=str(file), from_=PLACES, **more))


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        (b"/", [("X-Api-Key", "right")]),
        (b"/", [("Authorization", "Bearer right")]),
        (b"/?key=right", []),
        (b"/", [("Cookie", "key=right")]),
        (b"/", [("Sec-WebSocket-Protocol", "chat, key.right")]),
    ],
)
async def test_a_key_in_each_place(tmp_path: Path, target: bytes, fields: list[tuple[str, str]]) -> None:
    exchange = asking(route(NOWHERE, auth=keys(tmp_path)), *fields, target=target)
    assert await admit(exchange) is None
    assert exchange.user == "meter"


async def test_a_key_that_is_missing_wrong_or_sent_twice(tmp_path: Path) -> None:
    it = route(NOWHERE, auth=keys(tmp_path))
    refusal = await ask(it)
    assert refusal == Refusal(401, "a key is needed", ((b"WWW-Authenticate", b"ApiKey"),))
    refusal = await ask(it, ("X-Api-Key", "wrong"))
    assert refusal is not None
    assert (refusal.status, refusal.reason, refusal.detail) == (401, "a key is needed", "nobody has this key")
    refusal = await ask(it, ("X-Api-Key", "right"), ("X-Api-Key", "right"))
    assert refusal is not None
    assert (refusal.status, refusal.detail) == (400, "in header:x-api-key")


async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    exchange = asking(route(NOWHERE, auth=keys(tmp_path)), ("X-Api-Key", "right"))
    (tmp_path / "keys").unlink()
    refusal = await admit(exchange)
    assert refusal is not None
    assert (refusal.status, dict(refusal.headers)) == (503, {b"Retry-After": b"5"})
    assert "does not exist" in refusal.detail


async def test_a_disk_that_hangs(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> str:
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(ApiKeys, "name_of", hang)
    it = route(NOWHERE, auth=keys(tmp_path), timeouts=Timeouts(handshake=7))
    refusal = await ask(it, ("X-Api-Key", "right"))
    assert trio.current_time() == pytest.approx(7)
    assert refusal is not None
    assert refusal.status == 503
    assert refusal.detail == f"not within 7 s: the disk of {tmp_path / 'keys'} may hang"


async def test_guesses_are_delayed_right_keys_are_not(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def name_of(
        keys: ApiKeys, digest: bytes
    ) -> str | None:  # without a thread, which a virtual clock does not know
        return "meter" if digest == digest_of("right") else None

    monkeypatch.setattr(ApiKeys, "name_of", name_of)
    monkeypatch.setattr("random.random", lambda: 0.5)
    it = route(NOWHERE, auth=keys(tmp_path))
    for _ in range(hashing.FREE - 1):
        await ask(it, ("X-Api-Key", "wrong"))
    began = trio.current_time()
    await ask(it, ("X-Api-Key", "wrong"))
    assert trio.current_time() - began == hashing.DELAY
    began = trio.current_time()
    assert await ask(it, ("X-Api-Key", "right")) is None
    assert trio.current_time() == began


# -- in a session ------------------------------------------------------------------------------------------------------


async def test_a_backend_gets_no_key_of_a_query_or_subprotocol(
    start_gate: StartGate, backend: Backend, tmp_path: Path, log: Log
) -> None:
    gate = start_gate(route(relay_to(backend.port), auth=keys(tmp_path)))
    client = gate.connect()
    await client.write(request("/chat?a=1&key=right&b=2", {"Sec-WebSocket-Protocol": "key.right, chat"}))
    server = await backend.accept_request()
    assert server.head.line == "GET /chat?a=1&b=2 HTTP/1.1"
    assert server.head.one("Sec-WebSocket-Protocol") == "chat"
    assert server.head.one("X-Auth-User") == "meter"
    await server.accept_upgrade({"Sec-WebSocket-Protocol": "chat"})
    assert (await client.read_head()).one("Sec-WebSocket-Protocol") == "chat"
    assert log.one("opened")["user"] == "meter"
    assert "right" not in str(log.records)


@pytest.mark.parametrize("offer", ["key.right", "chat, key.right"])
async def test_a_tunnel_never_speaks_a_key(start_gate: StartGate, backend: Backend, tmp_path: Path, offer: str) -> None:
    gate = start_gate(route(tunnel_to(backend.port), auth=keys(tmp_path)))
    client = gate.connect()
    await client.upgrade(headers={"Sec-WebSocket-Protocol": offer})
    assert client.head.one("Sec-WebSocket-Protocol") == ("chat" if "chat" in offer else None)


async def test_a_refusal_echoes_no_key(start_gate: StartGate, backend: Backend, tmp_path: Path, log: Log) -> None:
    gate = start_gate(route(tunnel_to(backend.port), auth=keys(tmp_path), errors=Errors.CLOSE))
    client = gate.connect()
    await client.upgrade(headers={"Sec-WebSocket-Protocol": "key.wr0ng-and-long-enough, chat"})
    assert client.head.one("Sec-WebSocket-Protocol") == "chat"
    assert await client.receive_close() == (4401, "a key is needed")
    assert "wr0ng" not in str(log.records)


async def test_a_request_without_a_route_shows_no_key(start_gate: StartGate, tmp_path: Path, log: Log) -> None:
    gate = start_gate(route(NOWHERE, auth=keys(tmp_path), match=at("/here")))
    client = gate.connect()
    await client.write(request("/there?key=wr0ng", {"Sec-WebSocket-Protocol": "key.wr0ng, chat"}))
    assert (await client.read_head()).status == 404
    assert log.one("refused")["detail"] == "offered: chat"
    assert "wr0ng" not in str(log.records)


async def test_a_traceback_has_no_key(
    start_gate: StartGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("wsgate.gate.auth.api_keys.digest_of", bug)
    gate = start_gate(route(NOWHERE, auth=keys(tmp_path)))
    client = gate.connect()
    await client.write(request("/?key=s3cr3t", {"Cookie": "key=s3cr3t", "X-Api-Key": "s3cr3t"}))
    await client.read_end()
    assert "RuntimeError: a bug" in caplog.text
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        (Respond(body="hello"), 200),
        (Redirect(to="https://b.test/{query}"), 302),
        (State(answer=StateAnswer.ALIVE), 200),
        (Files(root="/"), 404),
        (relay_to(1), 426),
    ],
)
async def test_every_kind_of_route_asks(start_gate: StartGate, tmp_path: Path, action: Action, answer: int) -> None:
    gate = start_gate(route(action, auth=keys(tmp_path)))
    for target, expected in (("/", 401), ("/?key=wrong", 401), ("/?a=1&key=right", answer)):
        client = gate.connect()
        await client.write(plain_request(target))
        head = await client.read_head()
        assert head.status == (426 if answer == 426 else expected)
        if head.status == 302:  # another host learns no key
            assert head.one("Location") == "https://b.test/?a=1"


async def test_plain_http_and_other_upgrades_that_are_passed_on(
    start_gate: StartGate, backend: Backend, tmp_path: Path
) -> None:
    it = route(relay_to(backend.port), auth=keys(tmp_path), http=PlainHttp.FORWARD, upgrade=Upgrades.ANY)
    gate = start_gate(it)
    upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    for fields in ({}, upgrade):
        client = gate.connect()
        await client.write(plain_request("/pods?key=right", **fields, **{"X-Auth-User": "root"}))
        server = await backend.accept_request()
        assert server.head.line == "GET /pods HTTP/1.1"
        assert [value for name, value in server.head.headers if "user" in name.lower()] == ["meter"]
        client = gate.connect()
        await client.write(plain_request("/pods", **fields))
        assert (await client.read_head()).status == 401
