"""Checks who may use a route."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.gate.asking import BASIC, CERTIFICATE, PAGE, ask, basic
from tests.gate.conftest import NOWHERE, StartGate, at, below, files_at, relay_to, route, tunnel_to
from tests.log import Log
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend
from wsgate.settings.model import (
    ANY_ORIGIN,
    Auth,
    ClientCertificateAuth,
    Errors,
    Files,
)


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
