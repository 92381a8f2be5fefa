"""``redirect: https``: which clients are redirected, and where to."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gate.conftest import StartGate, files_at, route
from tests.log import Log
from tests.peers.heads import plain_request
from tests.peers.heads import request as upgrade_request
from wsgate.gate.client import RemoteEnd, client_of
from wsgate.gate.redirect import redirection
from wsgate.settings.model import Address, Listener, ListenerRedirect, Network, TcpAddress, Tls, UnixAddress
from wsgate.wire.http import HttpServer, Refusal, Request

STRANGER = TcpAddress("203.0.113.9", 4711)
PROXY = TcpAddress("10.0.0.1", 4711)
TRUSTED = (Network(ipaddress.ip_network("10.0.0.0/8")),)


def listeners(
    plain: str | int, *secure: str | int, redirect: ListenerRedirect | None = ListenerRedirect.HTTPS
) -> list[Listener]:
    """A plain listener and those with TLS; each a port, or the path of a Unix socket."""

    def bind(where: str | int) -> Address:
        return TcpAddress("0.0.0.0", where) if isinstance(where, int) else UnixAddress(where)

    return [
        Listener(bind=bind(plain), redirect=redirect),
        *(Listener(bind=bind(where), tls=Tls()) for where in secure),
    ]


def ask(
    data: bytes, among: list[Listener], peer: Address = STRANGER, address: Address | None = None, *, tls: bool = False
) -> Refusal | None:
    server = HttpServer()
    server.receive(data)
    request = server.next_request()
    assert isinstance(request, Request)
    source = client_of(RemoteEnd(peer, address or peer, tls), request, TRUSTED)
    return redirection(among[0], among, source, request, upgrade=b"Upgrade:" in data)


def location(refusal: Refusal | None) -> str:
    assert refusal is not None
    assert refusal.status == 308
    ((name, value),) = refusal.headers
    assert name == b"Location"
    return value.decode()


PLACES: list[tuple[str, list[Listener], str]] = [
    # a known port here is a known port there
    ("chat.test", listeners(80, 443), "https://chat.test/"),
    ("chat.test:80", listeners(80, 443), "https://chat.test/"),
    ("chat.test", listeners(80, 8443), "https://chat.test:8443/"),
    ("chat.test:8080", listeners(8080, 8443), "https://chat.test:8443/"),
    ("chat.test:8080", listeners(8080, "/run/tls.sock", 8443, 443), "https://chat.test:8443/"),
    ("CHAT.test.", listeners(80, 443), "https://CHAT.test./"),
    ("192.0.2.1:80", listeners(80, 8443), "https://192.0.2.1:8443/"),
    ("[2001:db8::1]", listeners(80, 443), "https://[2001:db8::1]/"),
    ("[2001:db8::1]:8080", listeners(8080, 8443), "https://[2001:db8::1]:8443/"),
    # others on the way have changed it: TLS is where it always is
    ("chat.test", listeners(8080, 8443), "https://chat.test/"),
    ("chat.test:30080", listeners(8080, 8443), "https://chat.test/"),
    ("chat.test", listeners("/run/plain.sock", 8443), "https://chat.test/"),
    ("chat.test", listeners(80), "https://chat.test/"),
    ("chat.test", listeners(80, "/run/tls.sock"), "https://chat.test/"),
]


@pytest.mark.parametrize(("host", "among", "there"), PLACES)
def test_places(host: str, among: list[Listener], there: str) -> None:
    assert location(ask(plain_request(host=host), among)) == there
    upgrade = ask(upgrade_request(headers={"Host": host}), among)
    assert location(upgrade) == there.replace("https://", "wss://")


@pytest.mark.parametrize("target", ["/a/b?c=/d&e", "/%2e%2e/%E4", "//evil.test/", "/?", "/a@b:c"])
def test_the_target_stays_as_it_is(target: str) -> None:
    assert location(ask(plain_request(target), listeners(80, 443))) == f"https://gateway.test{target}"


def test_the_authority_of_a_url_stands_over_host() -> None:
    assert location(ask(plain_request("http://other.test:80/x"), listeners(80, 8443))) == "https://other.test:8443/x"


def test_who_may_stay() -> None:
    ask_for = plain_request()
    assert ask(ask_for, listeners(80, 443, redirect=None)) is None
    assert ask(ask_for, listeners(443), tls=True) is None
    secured = ask_for.replace(b"\r\n\r\n", b"\r\nX-Forwarded-Proto: https\r\n\r\n")
    assert ask(secured, listeners(80, 443), PROXY) is None
    assert location(ask(secured, listeners(80, 443), STRANGER)) == "https://gateway.test/"


def test_behind_a_proxy_the_ports_are_its_own() -> None:
    told = plain_request().replace(b"\r\n\r\n", b"\r\nX-Forwarded-Host: chat.test:80\r\n\r\n")
    assert location(ask(told, listeners(80, 8443), PROXY)) == "https://chat.test/"
    assert location(ask(told, listeners(80, 8443), STRANGER)) == "https://gateway.test:8443/"
    assert location(ask(plain_request(), listeners(80, 8443), PROXY, STRANGER)) == "https://gateway.test/"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.0\r\n\r\n", plain_request(host=""), plain_request(host=":80")])
def test_without_a_host_there_is_nowhere_to_go(data: bytes) -> None:
    refusal = ask(data, listeners(80, 443))
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (400, ())


async def test_the_answer(start_gate: StartGate, log: Log, tmp_path: Path) -> None:
    """The routes do not matter, and the connection ends."""
    among = listeners(80, 443)
    gate = start_gate(route(files_at(tmp_path)))
    site = gate.gateway.site
    gate.gateway.site = replace(site, settings=replace(site.settings, listeners=tuple(among)))
    gate.listener.settings = among[0]
    for data, there, words in [
        (plain_request("/a?token=secret"), "https://gateway.test/a?token=secret", b"use https://"),
        (b"PUT /a HTTP/1.1\r\nHost: gateway.test\r\n\r\n", "https://gateway.test/a", b"use https://"),
        (upgrade_request("/a"), "wss://gateway.test/a", b"use wss://"),
        (upgrade_request("/a", {"Sec-WebSocket-Version": "8"}), "wss://gateway.test/a", b"use wss://"),
    ]:
        peer = gate.connect()
        await peer.write(data + plain_request("/smuggled"))
        head = await peer.read_head()
        assert (head.status, head.line) == (308, "HTTP/1.1 308 Permanent Redirect")
        assert head.one("Location") == there
        assert head.one("Connection") == "close"
        assert words in await peer.read_body()
        await peer.read_end()
    assert [line["status"] for line in log.all("refused")] == [308] * 4
    assert "secret" not in str(log.all("refused"))
