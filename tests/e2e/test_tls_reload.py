"""Certificates that change under a running gateway, with a session open all the while."""

from __future__ import annotations

import os
import signal
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.exceptions import InvalidStatus

from tests.pki import Authority, Pair, client_context, days, server_context
from wsgate.net.tls.x509 import read_pem

from .gateway import Gateway, StartGateway, relay
from .library import Serve, connect, echo
from .tls import listener


async def shown(gateway: Gateway) -> str:
    """The name in the certificate that a new client is shown."""
    context = client_context(check_hostname=False, verify_mode=ssl.CERT_NONE)
    stream: Any = await trio.open_ssl_over_tcp_stream("127.0.0.1", gateway.port, ssl_context=context)
    await stream.do_handshake()
    der = stream.getpeercert(binary_form=True)
    await stream.aclose()
    return read_pem(ssl.DER_cert_to_PEM_cert(der).encode())[0].host_names[0]


def put(pair: Pair, mount: Path, version: str) -> None:
    """As kubelet changes a secret's files: all at once, by a symbolic link."""
    directory = mount / f"..{version}"
    directory.mkdir(parents=True)
    os.replace(pair.certificate, directory / "tls.crt")
    os.replace(pair.key, directory / "tls.key")
    (mount / "..data_tmp").symlink_to(directory.name)
    (mount / "..data_tmp").rename(mount / "..data")


async def test_a_secret_that_changes_by_itself(
    start_gateway: StartGateway, serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    mount = tmp_path / "secret"
    put(authority.issue("old.test", "localhost"), mount, "one")
    for name in ("tls.crt", "tls.key"):
        (mount / name).symlink_to(f"..data/{name}")
    pair = Pair(str(mount / "tls.crt"), str(mount / "tls.key"))
    gateway = await start_gateway(relay(await serve(echo)), listeners=[listener(pair)])
    async with connect(f"wss://localhost:{gateway.port}/", ssl=client_context(authority)) as before:
        await before.send("before")
        assert await before.recv() == "before"
        put(authority.issue("new.test", "localhost"), mount, "two")
        line = await gateway.next_line("certificate loaded")
        assert (line["listeners"], line["files"]) == (["127.0.0.1:0"], [pair.certificate])
        assert await shown(gateway) == "new.test"
        async with connect(f"wss://localhost:{gateway.port}/", ssl=client_context(authority)) as behind:
            for client in (before, behind):
                await client.send("still there")
                assert await client.recv() == "still there"


async def test_hup(start_gateway: StartGateway, serve: Serve, authority: Authority) -> None:
    pair = authority.issue("old.test", "localhost")
    gateway = await start_gateway(relay(await serve(echo)), listeners=[listener(pair)])
    async with connect(f"wss://localhost:{gateway.port}/", ssl=client_context(authority)) as client:
        new = authority.issue("new.test", "localhost", to="new")
        os.replace(new.certificate, pair.certificate)
        gateway.process.send_signal(signal.SIGHUP)  # too early: the key is still the old one
        problem = (await gateway.next_line("wrong configuration"))["problem"]
        assert "listeners[0].tls.key: " in problem
        assert "does not belong to the first certificate" in problem
        await gateway.next_line("reload refused")
        assert await shown(gateway) == "old.test"
        os.replace(new.key, pair.key)
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.next_line("reloaded")
        assert await shown(gateway) == "new.test"
        await client.send("still there")
        assert await client.recv() == "still there"


async def test_what_a_backend_trusts_changes(
    start_gateway: StartGateway, serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    """The gateway's own ca for its backends is a file like the others."""
    other = Authority(tmp_path, "other")
    backend = other.issue("127.0.0.1", to="backend")
    port = await serve(echo, ssl=server_context(backend))
    ca = tmp_path / "backends.pem"
    ca.write_bytes(authority.ca.cert_pem.bytes())
    route = {"name": "relay", "relay": {"to": f"wss://127.0.0.1:{port}", "tls": {"ca": str(ca)}}}
    gateway = await start_gateway(route)
    with pytest.raises(InvalidStatus, match="HTTP 502"):
        async with connect(gateway.url()):
            pass
    ca.write_bytes(other.ca.cert_pem.bytes())
    gateway.process.send_signal(signal.SIGHUP)
    await gateway.next_line("reloaded")
    async with connect(gateway.url()) as client:
        await client.send("hello")
        assert await client.recv() == "hello"


async def test_an_expired_certificate_keeps_nothing_down(
    start_gateway: StartGateway, serve: Serve, authority: Authority
) -> None:
    """The plain listener is served, and so is its own: a client that does not mind is led on. Then it is renewed."""
    old = authority.issue("one.test", not_before=days(-30), not_after=days(-1))
    gateway = await start_gateway(relay(await serve(echo)), listeners=[listener(old), {"bind": "127.0.0.1:0"}])
    line = await gateway.next_line("configuration warning")
    assert "expired on" in line["problem"]
    assert (await gateway.next_line("certificate expired"))["level"] == "error"
    assert await shown(gateway) == "one.test"
    async with connect(f"ws://{gateway.addresses[1]}/") as client:
        await client.send("hello")
        assert await client.recv() == "hello"
    authority.issue("two.test")
    gateway.process.send_signal(signal.SIGHUP)  # or a few seconds later
    await gateway.next_line("reloaded")
    assert await shown(gateway) == "two.test"
