"""Checks who may use a route."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.gate.asking import ask, asking
from tests.gate.conftest import NOWHERE, StartGate, at, below, exchange_for, files_at, relay_to, route, tunnel_to
from tests.log import Log
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend
from wsgate.gate.admission import admit
from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import (
    ANY_ORIGIN,
    Auth,
    Basic,
    ClientCertificateAuth,
    Errors,
    Files,
    Timeouts,
)
from wsgate.site import hashing
from wsgate.site.passwords import Users
from wsgate.wire.http import Refusal, Request

PAGE = "https://app.example.com"
BASIC = Auth(basic=Basic(users=("ann:{PLAIN}s\N{LATIN SMALL LETTER O WITH DIAERESIS}same",), realm='my "desk"\\'))
CERTIFICATE = ClientCertificate("CN=worker 7,O=Example", "CN=CA", "1F", "00" * 32, "worker 7")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


async def test_a_route_that_asks_for_nothing() -> None:
    assert await ask(route(NOWHERE)) is None


@pytest.mark.parametrize("kind", ["basic", "certificate"])
async def test_another_hosts_page_gains_nothing_by_its_visitors_password(kind: str) -> None:
    """A browser sends the password for every page. Configured origins are still allowed."""
    auth = BASIC if kind == "basic" else Auth(client_certificate=ClientCertificateAuth())
    shown = ("Authorization", basic("ann:s\N{LATIN SMALL LETTER O WITH DIAERESIS}same"))
    it = route(NOWHERE, auth=auth)
    refusal = await ask(it, shown, ("Origin", PAGE), certificate=CERTIFICATE)
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (403, "this origin is not allowed")
    assert refusal.detail == f"Origin: {PAGE}; the host that was asked for is gate: name other pages in origins"
    for origins in ((), (ANY_ORIGIN,), (PAGE,)):
        page = "https://gate" if not origins else PAGE
        written = replace(it, origins=origins)
        assert await ask(written, shown, ("Origin", page), certificate=CERTIFICATE) is None
    assert await ask(it, shown, certificate=CERTIFICATE) is None


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


async def test_a_certificate() -> None:
    any_one = route(NOWHERE, auth=Auth(client_certificate=ClientCertificateAuth()))
    some = route(NOWHERE, auth=Auth(client_certificate=ClientCertificateAuth(names=("boss", "worker 7"))))
    assert await ask(any_one, certificate=CERTIFICATE) is None
    assert await ask(some, certificate=CERTIFICATE) is None
    assert await ask(any_one) == Refusal(403, "a client certificate is needed")
    assert await ask(some) == Refusal(403, "a client certificate is needed")
    for name in ("worker 8", "CN=worker 7,O=Example", None):
        refusal = await ask(some, certificate=replace(CERTIFICATE, common_name=name))
        assert refusal is not None
        assert (refusal.status, refusal.reason) == (403, "this certificate is not allowed")
        assert refusal.detail == "its subject is CN=worker 7,O=Example"


async def test_all_that_is_asked_must_be_passed() -> None:
    both = replace(BASIC, client_certificate=ClientCertificateAuth())
    it = route(NOWHERE, auth=both, origins=(PAGE,))
    right = [("Origin", PAGE), ("Authorization", basic("ann:s\xf6same"))]
    assert await ask(it, *right, certificate=CERTIFICATE) is None
    statuses = []
    for headers, certificate in ((right[1:], CERTIFICATE), (right[:1], CERTIFICATE), (right, None)):
        refusal = await ask(it, *headers, certificate=certificate)
        assert refusal is not None
        statuses.append(refusal.status)
    assert statuses == [403, 401, 403]


# -- in a session ------------------------------------------------------------------------------------------------------


async def test_nobody_is_dialled_for_a_stranger(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(tunnel_to(backend.port), auth=BASIC))
    peer = gate.connect()
    await peer.write(request(headers={"Authorization": basic("ann:wrong")}))
    head = await peer.read_head()
    assert head.status == 401
    assert head.one("WWW-Authenticate") is not None
    assert "wrong user or password" in log.one("refused")["detail"]
    assert basic("ann:wrong") not in str(log.records)
    friend = gate.connect()
    await friend.upgrade(headers={"Authorization": basic("ann:s\xf6same")})
    await backend.accept()  # the first that came


async def test_a_page_that_may_not(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), origins=(PAGE,), errors=Errors.CLOSE))
    peer = gate.connect()
    await peer.upgrade(headers={"Origin": "https://evil.example"})
    assert await peer.receive_close() == (4403, "this origin is not allowed")


async def test_files_are_for_users_too(start_gate: StartGate, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("welcome")
    gate = start_gate(route(Files(root=str(tmp_path)), auth=BASIC))
    peer = gate.connect()
    await peer.write(plain_request())
    assert (await peer.read_head()).status == 401
    peer = gate.connect()
    right = "\r\nAuthorization: " + basic("ann:s\xf6same") + "\r\n\r\n"
    await peer.write(plain_request().replace(b"\r\n\r\n", right.encode()))
    assert (await peer.read_head()).status == 200
    assert await peer.read_body() == b"welcome"


async def test_bytes_outside_ascii_walk_around_no_route(start_gate: StartGate, tmp_path: Path) -> None:
    """A target may have them raw. What that names is not taken by another route than its encoded form."""
    (tmp_path / "caf\N{LATIN SMALL LETTER E WITH ACUTE}.txt").write_text("secret")
    gate = start_gate(
        route(files_at(tmp_path), "private", match=at("/caf%C3%A9.txt"), auth=BASIC), route(files_at(tmp_path), "rest")
    )
    for path in (b"/caf%C3%A9.txt", b"/caf\xc3\xa9.txt", b"/caf\xc3%A9.txt", b"/c\xc3\xa1f.txt/../caf\xc3\xa9.txt"):
        peer = gate.connect()
        await peer.write(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await peer.read_head()).status == 401


SPELLINGS = [
    "/private/secret.txt",
    "/%70rivate/secret.txt",
    "/%50rivate/secret.txt",
    "//private/secret.txt",
    "/private%2fsecret.txt",
    "/private//secret.txt",
    "/private/./secret.txt",
    "/x/../private/secret.txt",
    "/x/%2e%2e/private/secret.txt",
    "/./private/secret.txt",
    "/private/secret%2etxt",
    "/private/x/../secret.txt",
    "/%2e/private/secret.txt",
    "/..//private/secret.txt",
    "/x%2f../private/secret.txt",
    "/private\\secret.txt",
    "/private%5csecret.txt",
    "/private/secret.txt%00",
    "/%zz/../private/secret.txt",
    "/private/%zz/../secret.txt",
    "http://gate/private/secret.txt",
    "http://gate//%70rivate/secret.txt",
    "/private%2Fsecret.txt",
    "/private;/secret.txt",
    "/priv%61te/%2e%2e/private/secret.txt",
    "/%2570rivate/secret.txt",
    "/%2fprivate/secret.txt",
    "/private/..%2fprivate/secret.txt",
    "/par%28en%29/secret.txt",
    "/par(en)/secret.txt",
    "/par(en%29//secret.txt",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_walks_around_a_password(start_gate: StartGate, tmp_path: Path, spelling: str) -> None:
    for directory in ("private", "par(en)"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "secret.txt").write_text("secret")
    gate = start_gate(
        route(files_at(tmp_path), "private", match=below("/private/"), auth=BASIC),
        route(files_at(tmp_path), "brackets", match=below("/par(en)/"), auth=BASIC),
        route(files_at(tmp_path), "rest"),
    )
    peer = gate.connect()
    await peer.write(f"GET {spelling} HTTP/1.1\r\nHost: gate\r\n\r\n".encode())
    status = (await peer.read_head()).status
    assert status in (400, 401, 404)


async def test_wrong_passwords_are_delayed_right_ones_are_not(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
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
