"""The client's address, from the socket to the backend's request and the line in the log."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.gate.conftest import CLIENT, StartGate, at, closed, files_at, live_tls, relay_to, route, tunnel_to
from tests.log import Log
from tests.peers.frames import MASK, close_frame
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend, Peer
from tests.pki import Authority, client_context
from wsgate.net.tls.contexts import listener_context
from wsgate.settings.model import Network, Tls

TRUSTED = (Network(ipaddress.ip_network("192.0.2.0/24")),)  # has CLIENT in it
FORWARDED_FOR = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.test"}


async def test_behind_a_trusted_proxy(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(relay_to(backend.port)), trusted_proxies=TRUSTED)
    peer = gate.connect()
    await peer.write(request(headers=FORWARDED_FOR))
    server = await backend.accept_request()
    assert server.head.one("Host") == "gateway.test"
    assert server.head.one("X-Forwarded-For") == "203.0.113.9, 192.0.2.7"
    assert server.head.one("X-Forwarded-Proto") == "https"
    assert server.head.one("X-Forwarded-Host") == "a.test"
    assert server.head.one("X-Forwarded-Port") == "443"
    assert server.head.one("Forwarded") == "for=203.0.113.9;host=a.test;proto=https, for=192.0.2.7"
    await server.accept_upgrade()
    await peer.read_head()
    await peer.send(close_frame(1000))
    await server.send(close_frame(1000))
    await server.vanish()
    await peer.vanish()
    await closed(gate)
    for event in ("opened", "session"):
        assert (log.one(event)["client"], log.one(event)["peer"]) == ("203.0.113.9", CLIENT)


async def test_a_stranger_says_the_same(start_gate: StartGate, backend: Backend, log: Log) -> None:
    peer = start_gate(route(relay_to(backend.port)), trusted_proxies=TRUSTED).connect("203.0.113.5:1")
    strange = {
        **FORWARDED_FOR,
        "X_Forwarded_For": "6.6.6.6",
        "X-Client-Cert-Subject": "CN=admin",
        "X-Real-IP": "6.6.6.6",
    }
    await peer.write(request(headers=strange))
    server = await backend.accept_request()
    assert server.head.one("X-Forwarded-For") == "203.0.113.5"
    assert server.head.one("X-Forwarded-Proto") == "http"
    assert server.head.one("X-Forwarded-Host") == "gateway.test"
    assert server.head.one("X-Forwarded-Port") == "80"
    assert server.head.one("Forwarded") == "for=203.0.113.5;host=gateway.test;proto=http"
    for word in ("6.6.6.6", "a.test", "admin"):
        assert word not in str(server.head)
    await server.accept_upgrade()
    await peer.read_head()
    assert log.one("opened")["client"] == "203.0.113.5:1"
    assert "peer" not in log.one("opened")


async def test_each_request_of_a_connection_has_its_own_client(start_gate: StartGate, tmp_path: Path, log: Log) -> None:
    """A proxy's connection carries the requests of many."""
    gate = start_gate(route(files_at(tmp_path), match=at("/missing")), trusted_proxies=TRUSTED)
    peer = gate.connect()
    for field in ("X-Forwarded-For: 203.0.113.1", "Forwarded: for=203.0.113.2", "X-Other: 1"):
        await peer.write(plain_request("/missing").replace(b"\r\n\r\n", f"\r\n{field}\r\n\r\n".encode()))
        assert (await peer.read_head()).status == 404
        await peer.read_body()
    await peer.write(plain_request("/elsewhere"))
    await peer.read_head()
    who = [(line["client"], line.get("peer")) for line in log.all("refused")]
    assert who == [("203.0.113.1", CLIENT), ("203.0.113.2", CLIENT), (CLIENT, None), (CLIENT, None)]


@pytest.mark.parametrize("status", ["403 Forbidden", "101 Switching Protocols"])
async def test_whoever_is_refused_has_the_same_name(
    start_gate: StartGate, backend: Backend, log: Log, status: str
) -> None:
    """By the backend, or because its answer is no 101."""
    peer = start_gate(route(relay_to(backend.port)), trusted_proxies=TRUSTED).connect()
    await peer.write(request(headers=FORWARDED_FOR))
    server = await backend.accept_request()
    await server.respond(status)
    await peer.read_head()
    assert (log.one("refused")["client"], log.one("refused")["peer"]) == ("203.0.113.9", CLIENT)


async def test_a_client_certificate(start_gate: StartGate, backend: Backend, log: Log, tmp_path: Path) -> None:
    """The backend and the log get its subject; the client's own fields about it are dropped."""
    authority = Authority(tmp_path)
    pair, own = authority.issue("gateway.test"), authority.issue("worker", to="client", common_name="worker 7")
    tls = Tls(certificate=pair.certificate, key=pair.key, client_ca=authority.file)
    gate = start_gate(route(relay_to(backend.port), match=at("/")), route(tunnel_to(1), "tunnel"))
    gate.listener.tls = live_tls(listener_context(tls))
    client = await over_tls(gate.connect(), client_context(authority, own))
    await client.write(request(headers={"X-Client-Cert-Subject": "CN=admin", "x-client-cert-verify": "SUCCESS"}))
    server = await backend.accept_request()
    assert server.head.one("X-Client-Cert-Verify") == "SUCCESS"
    subject = server.head.one("X-Client-Cert-Subject")
    assert subject is not None
    assert subject.startswith("CN=worker 7,")
    assert len(server.head.one("X-Client-Cert-Fingerprint") or "") == 64
    assert server.head.one("X-Forwarded-Proto") == "https"
    assert server.head.one("X-Forwarded-Port") == "443"
    await server.accept_upgrade()
    await client.read_head()
    assert log.one("opened")["subject"] == subject

    refused = await over_tls(gate.connect(), client_context(authority, own))
    await refused.write(request("/elsewhere"))
    await refused.read_head()
    assert log.one("refused")["subject"] == subject


async def over_tls(peer: Peer, client: ssl.SSLContext) -> Peer:
    stream: Any = trio.SSLStream(peer.stream, client, server_hostname="gateway.test")
    await stream.do_handshake()
    return Peer(stream, mask=MASK)
