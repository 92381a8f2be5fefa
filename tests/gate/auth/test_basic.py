"""User and password."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.gate.asking import BASIC, ask, asking, basic
from tests.gate.conftest import NOWHERE, exchange_for, route
from wsgate.gate.admission import admit
from wsgate.settings.model import Auth, Basic, Timeouts
from wsgate.site import hashing
from wsgate.site.passwords import Users
from wsgate.wire.http import Refusal, Request


async def test_a_user_and_a_password() -> None:
    assert await ask(route(NOWHERE, auth=BASIC), ("Authorization", basic("ann:s\xf6same"))) is None
    assert (
        await ask(route(NOWHERE, auth=BASIC), ("Authorization", basic("ann:s\xf6same").replace("Basic", "basic")))
        is None
    )


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        ([], ""),
        ([basic("ann:sesame")], "wrong user or password"),
        ([basic("eve:s\xf6same")], "wrong user or password"),
        ([basic("ann")], "Authorization is not of the kind Basic, or malformed"),
        (["Basic !"], "Authorization is not of the kind Basic, or malformed"),
        (["Basic"], "Authorization is not of the kind Basic, or malformed"),
        (["Bearer abc"], "Authorization is not of the kind Basic, or malformed"),
        (["Basic " + base64.b64encode(b"\xff:x").decode()], "Authorization is not of the kind Basic, or malformed"),
        ([basic("ann:s\xf6same")] * 2, "Authorization is not of the kind Basic, or malformed"),
    ],
)
async def test_whoever_has_no_password_is_challenged(sent: list[str], detail: str) -> None:
    refusal = await ask(route(NOWHERE, auth=BASIC), *[("Authorization", value) for value in sent])
    assert refusal is not None
    assert (refusal.status, refusal.reason, refusal.detail) == (401, "user and password are needed", detail)
    assert dict(refusal.headers) == {b"WWW-Authenticate": rb'Basic realm="my \"desk\"\\", charset="UTF-8"'}


async def test_passwords_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ann:{PLAIN}x\n")
    exchange = asking(route(NOWHERE, auth=Auth(basic=Basic(file=str(file)))), ("Authorization", basic("ann:x")))
    file.unlink()
    refusal = await admit(exchange)
    assert refusal is not None
    assert (refusal.status, dict(refusal.headers)) == (503, {b"Retry-After": b"5"})
    assert "does not exist" in refusal.detail


async def test_passwords_that_take_too_long(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> bool:
        await trio.sleep_forever()
        return True

    monkeypatch.setattr(Users, "knows", hang)
    began = trio.current_time()
    it = route(NOWHERE, auth=BASIC, timeouts=Timeouts(handshake=7))
    refusal = await ask(it, ("Authorization", basic("ann:x")))
    assert trio.current_time() - began == pytest.approx(7)
    assert refusal is not None
    assert refusal.status == 503


async def test_wrong_passwords_are_delayed_right_ones_are_not(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def knows(self: Users, user: str, password: bytes, address: str) -> bool:
        return password == "s\xf6same".encode()

    # without the thread: its time is not the clock's, which would jump while a busy machine lets it wait
    monkeypatch.setattr(Users, "knows", knows)
    monkeypatch.setattr("random.random", lambda: 0.5)
    right = basic("ann:s\xf6same")
    exchange = exchange_for(route(NOWHERE, auth=BASIC))

    async def ask_with(shown: str) -> tuple[int | None, float]:
        began = trio.current_time()
        fields = [(b"authorization", shown.encode("latin-1"))]
        exchange.request = Request(b"GET", b"/", b"gate", b"1.1", fields, fields)
        found = await admit(exchange)
        return found.status if isinstance(found, Refusal) else None, trio.current_time() - began

    assert await ask_with(right) == (None, 0)
    for _ in range(hashing.FREE):
        answer = await ask_with(basic("ann:wrong"))
    assert answer == (401, hashing.DELAY)
    assert await ask_with(right) == (None, 0)

    async def busy(*_: object) -> bool:
        raise hashing.Busy

    exchange.gateway.draining = True  # a process that stops does not delay answers
    assert await ask_with(basic("ann:wrong")) == (401, 0)
    monkeypatch.setattr(Users, "knows", busy)
    assert await ask_with(right) == (429, 0)
