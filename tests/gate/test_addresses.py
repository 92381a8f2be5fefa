"""The address that counts is the one that socket, PROXY header and trusted proxies together show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.gate.conftest import NOWHERE, StartGate, below, files_at, relay_to, route
from tests.log import Log
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend
from wsgate.settings.addresses import network
from wsgate.settings.model import Addresses, Listener, TcpAddress
from wsgate.site.listener import LiveListener

OFFICE = Addresses(allow=(network("192.0.2.0/24"), network("2001:db8::/32")), deny=(network("192.0.2.66"),))
PROXY = network("10.0.0.0/8")


@pytest.mark.parametrize(
    ("client", "forwarded", "status"),
    [
        ("192.0.2.1:5000", "", 101),
        ("[2001:db8::1]:5000", "", 101),
        ("192.0.2.66:5000", "", 403),
        ("203.0.113.9:5000", "", 403),
        ("unix:", "", 403),
        ("203.0.113.9:5000", "192.0.2.1", 403),  # a stranger's own word
        ("10.0.0.1:5000", "192.0.2.1", 101),  # a trusted proxy's
        ("10.0.0.1:5000", "192.0.2.66", 403),
        ("10.0.0.1:5000", "192.0.2.1, 192.0.2.66", 403),  # what the client put in front of it
        ("10.0.0.1:5000", "", 403),
        ("10.0.0.1:5000", "::ffff:192.0.2.1", 101),
    ],
)
async def test_who_may_use_a_route(
    start_gate: StartGate, backend: Backend, client: str, forwarded: str, status: int
) -> None:
    gate = start_gate(route(relay_to(backend.port), addresses=OFFICE), trusted_proxies=(PROXY,))
    peer = gate.connect(client)
    await peer.write(request(headers={"X-Forwarded-For": forwarded} if forwarded else {}))
    if status == 101:
        theirs = await backend.accept_request()
        await theirs.accept_upgrade()
    assert (await peer.read_head()).status == status


async def test_a_route_of_another_kind(start_gate: StartGate, tmp_path: Path, log: Log) -> None:
    (tmp_path / "index.html").write_text("welcome")
    gate = start_gate(route(files_at(tmp_path), addresses=OFFICE))
    for client, status in (("192.0.2.1:5000", 200), ("203.0.113.9:5000", 403)):
        peer = gate.connect(client)
        await peer.write(plain_request())
        assert (await peer.read_head()).status == status
    line = log.one("refused")
    assert (line["client"], line["status"], line["reason"]) == ("203.0.113.9:5000", 403, "this address is not allowed")


async def test_a_listener_tells_strangers_nothing(start_gate: StartGate, tmp_path: Path) -> None:
    """Neither whether there is a route, nor whether a password is needed."""
    gate = start_gate(route(files_at(tmp_path), match=below("/files")), route(NOWHERE, "b", match=below("/b")))
    gate.listener = LiveListener(Listener(bind=TcpAddress("127.0.0.1", 80), addresses=OFFICE))
    for path in ("/files/x", "/b", "/none"):
        peer = gate.connect("203.0.113.9:5000")
        await peer.write(plain_request(path))
        assert (await peer.read_head()).status == 403
    peer = gate.connect("192.0.2.1:5000")
    await peer.write(plain_request("/none"))
    assert (await peer.read_head()).status == 404


def test_rules_belong_to_their_listener() -> None:
    plain = Listener(bind=TcpAddress("127.0.0.1", 80))
    assert LiveListener(plain).addresses is None
    assert LiveListener(replace(plain, addresses=OFFICE)).addresses is not None
