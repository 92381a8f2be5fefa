"""TLS to backends: WebSocket servers and TCP services, and servers with a wrong certificate."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers.frames import BINARY, Frame, close_frame
from tests.peers.heads import request
from tests.peers.sockets import free_port
from tests.peers.stream import Peer
from tests.pki import Authority, Pair, server_context

from . import services
from .gateway import OpenClient, StartGateway
from .gateway import relay as plain_relay
from .library import Serve, connect, echo


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("backend.test", "localhost", "127.0.0.1")


def relay(*ports: int, host: str = "127.0.0.1", **tls: Any) -> dict[str, Any]:
    return {"name": "relay", "relay": {"to": [f"wss://{host}:{port}" for port in ports], "tls": tls}}


def tunnel(port: int, **tls: Any) -> dict[str, Any]:
    return {"name": "tunnel", "tunnel": {"to": [f"tls://127.0.0.1:{port}"], "tls": tls}}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_web_socket_backend(
    start_gateway: StartGateway, serve: Serve, authority: Authority, pair: Pair, version: ssl.TLSVersion, host: str
) -> None:
    """By address and by name: each is verified as what it is."""
    port = await serve(echo, ssl=server_context(pair, maximum_version=version))
    gateway = await start_gateway(relay(port, host=host, ca=authority.file))
    async with connect(gateway.url()) as client:
        for message in ("grüße", bytes(range(256)) * 5000):
            await client.send(message)
            assert await client.recv() == message
    line = await gateway.session_line()
    assert (line["backend"], line["reason"]) == (f"wss://{host}:{port}", "closed")


async def test_both_legs(start_gateway: StartGateway, serve: Serve, authority: Authority, pair: Pair) -> None:
    port = await serve(echo, ssl=server_context(pair))
    listeners = [{"bind": "127.0.0.1:0", "tls": pair.settings()}]
    gateway = await start_gateway(relay(port, ca=authority.file), listeners=listeners)
    context = ssl.create_default_context(cafile=authority.file)
    async with connect(f"wss://localhost:{gateway.port}/", ssl=context) as client:
        await client.send("hello")
        assert await client.recv() == "hello"


async def test_a_certificate_of_the_gateways_own(
    start_gateway: StartGateway, serve: Serve, authority: Authority, pair: Pair
) -> None:
    own = authority.issue("gateway.test", to="gateway")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        port = await serve(echo, ssl=server_context(pair, authority.file, maximum_version=version))
        gateway = await start_gateway(relay(port, ca=authority.file, certificate=own.certificate, key=own.key))
        async with connect(gateway.url()) as client:
            await client.send("hello")
            assert await client.recv() == "hello"


async def test_a_gateway_behind_a_gateway_that_wants_a_certificate(
    start_gateway: StartGateway, serve: Serve, authority: Authority, pair: Pair, open_client: OpenClient
) -> None:
    """With TLS 1.3 its alert comes behind the handshake, where the answer to the upgrade should be."""
    inner = {"bind": "127.0.0.1:0", "tls": {**pair.settings(), "client_ca": authority.file}}
    behind = await start_gateway(plain_relay(await serve(echo)), listeners=[inner])
    gateway = await start_gateway(relay(behind.port, ca=authority.file))
    assert await status(await open_client(gateway)) == 502
    detail = (await gateway.refused_line())["detail"]
    assert detail == f"wss://127.0.0.1:{behind.port}: the peer refused with the alert 'certificate required'"
    own = authority.issue("gateway.test", to="gateway")
    gateway = await start_gateway(relay(behind.port, ca=authority.file, certificate=own.certificate, key=own.key))
    async with connect(gateway.url()) as client:
        await client.send("hello")
        assert await client.recv() == "hello"


async def status(client: Peer) -> int:
    await client.write(request())
    return (await client.read_head()).status


async def test_a_backend_that_is_not_who_it_should_be(
    start_gateway: StartGateway, serve: Serve, authority: Authority, pair: Pair, tmp_path: Path, open_client: OpenClient
) -> None:
    port = await serve(echo, ssl=server_context(pair))
    other = Authority(tmp_path, "other").file
    for tls, reason in [
        ({}, "unable to get local issuer certificate; name the CA that signed it with tls.ca"),
        ({"ca": other}, "unable to get local issuer certificate; name the CA that signed it with tls.ca"),
        (
            {"ca": authority.file, "server_name": "app.test"},
            "Hostname mismatch, certificate is not valid for 'app.test'; name one of its own with tls.server_name",
        ),
    ]:
        gateway = await start_gateway(relay(port, **tls))
        client = await open_client(gateway)
        assert await status(client) == 502
        assert await client.read_body() == b"502 the backend cannot be reached\n"  # clients learn no more
        line = await gateway.refused_line(status=502)
        assert line["detail"] == f"no TLS with 127.0.0.1:{port}: the peer's certificate is not accepted: {reason}"
    gateway = await start_gateway(relay(port, ca=authority.file, server_name="backend.test"))
    assert await status(await open_client(gateway)) == 101


async def test_not_verified_it_is_said_at_the_start(
    start_gateway: StartGateway, serve: Serve, pair: Pair, open_client: OpenClient
) -> None:
    gateway = await start_gateway(relay(await serve(echo, ssl=server_context(pair)), verify=False))
    line = await gateway.next_line("backends not verified")
    assert (line["level"], line["route"]) == ("warning", "relay")
    assert await status(await open_client(gateway)) == 101


async def test_the_next_backend_has_its_turn(
    start_gateway: StartGateway, serve: Serve, authority: Authority, pair: Pair, tmp_path: Path, open_client: OpenClient
) -> None:
    stranger = Authority(tmp_path, "other").issue("127.0.0.1", to="stranger")
    wrong, plain = await serve(echo, ssl=server_context(stranger)), await serve(echo)
    right = await serve(echo, ssl=server_context(pair))
    gateway = await start_gateway(relay(wrong, plain, right, ca=authority.file))
    async with connect(gateway.url()) as client:
        await client.send("hello")
        assert await client.recv() == "hello"
    assert (await gateway.session_line())["backend"] == f"wss://127.0.0.1:{right}"
    gateway = await start_gateway(relay(wrong, plain, ca=authority.file))
    assert await status(await open_client(gateway)) == 502
    assert (await gateway.refused_line())["detail"].startswith(f"no TLS with 127.0.0.1:{plain}: ")


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_a_tunnel_to_openssl(
    start_gateway: StartGateway,
    nursery: trio.Nursery,
    authority: Authority,
    pair: Pair,
    open_client: OpenClient,
    version: str,
) -> None:
    """openssl s_server -rev: every line comes back reversed; an empty one is no end."""
    port = free_port()
    arguments = ["s_server", "-rev", "-accept", f"127.0.0.1:{port}", "-cert", pair.certificate, "-key", pair.key]
    await services.start(nursery, "openssl", [*arguments, version], ready=b"ACCEPT")
    gateway = await start_gateway(tunnel(port, ca=authority.file))
    client = await open_client(gateway)
    await client.upgrade("/", {"Sec-WebSocket-Protocol": "binary"})
    for line in (b"hello", b"x" * 5000):
        await client.send(Frame(BINARY, line + b"\n"))
        received = b""
        while not received.endswith(b"\n"):
            received += (await client.receive()).payload
        assert received == line[::-1] + b"\n"
    await client.send(close_frame(1000))
    assert await client.receive_close() == (1000, "")
    await client.vanish()
    assert (await gateway.session_line())["backend"] == f"tls://127.0.0.1:{port}"


async def echo_once(stream: Any, *, cut: bool) -> None:
    """A TLS service that answers once and ends, with or without close_notify."""
    await stream.send_all(await stream.receive_some())
    if cut:
        await stream.transport_stream.aclose()
    else:
        await stream.aclose()


@pytest.mark.parametrize("cut", [False, True])
async def test_a_service_that_ends(
    start_gateway: StartGateway,
    nursery: trio.Nursery,
    authority: Authority,
    pair: Pair,
    open_client: OpenClient,
    cut: bool,
) -> None:
    """Its close_notify is the end of the stream; FIN without it is a loss (RFC 8446 §6.1)."""
    (opened,) = await trio.open_ssl_over_tcp_listeners(0, server_context(pair), host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, lambda stream: echo_once(stream, cut=cut), [opened])
    port: int = opened.transport_listener.socket.getsockname()[1]  # type: ignore[attr-defined]
    gateway = await start_gateway(tunnel(port, ca=authority.file))
    client = await open_client(gateway)
    await client.upgrade("/", {"Sec-WebSocket-Protocol": "binary"})
    await client.send(Frame(BINARY, b"hello"))
    assert (await client.receive()).payload == b"hello"
    expected = (1011, "backend connection lost") if cut else (1000, "Target closed")
    assert await client.receive_close() == expected
    await client.send(close_frame(expected[0]))
    await client.vanish()
    line = await gateway.session_line()
    if cut:
        assert (line["reason"], line["ended_by"]) == ("gone", "backend")
        assert "TLS ended without close_notify" in line["detail"]
    else:
        assert (line["reason"], line["detail"]) == ("finished", None)
