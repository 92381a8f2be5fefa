"""A certificate by ACME, from Debian's pebble: with workers, over a listener that redirects, over a TLS listener alone,
and with two gateways."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests import pebble
from tests.peers.sockets import free_port
from tests.pki import Authority

from .gateway import StartGateway, relay

PATIENCE = 30.0  # seconds for an order: gateways of a store are given some to see its challenges

pytestmark = pytest.mark.needs("pebble", "pebble-challtestsrv")


@pytest.fixture
async def ca(tmp_path: Path) -> AsyncIterator[pebble.Pebble]:
    directory = tmp_path / "pebble"
    directory.mkdir()
    with pebble.running(directory) as running:
        yield running


def listeners(ca: pebble.Pebble, store: Path, port: int, *hosts: str) -> list[dict[str, Any]]:
    acme = {"hosts": list(hosts), "store": str(store), "directory": ca.directory, "ca": ca.ca}
    return [
        {"bind": f"127.0.0.1:{ca.challenge_port}", "redirect": "https"},
        {"bind": f"127.0.0.1:{port}", "tls": {"acme": acme}},
    ]


async def is_trusted(ca: pebble.Pebble, port: int, name: str) -> bool:
    context = ssl.create_default_context(cadata=ca.root())
    stream = trio.SSLStream(await trio.open_tcp_stream("127.0.0.1", port), context, server_hostname=name)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        if not isinstance(error.__cause__, ssl.SSLCertVerificationError):
            raise
        return False
    finally:
        await trio.aclose_forcefully(stream)
    return True


async def test_it_is_got_and_used_and_kept(ca: pebble.Pebble, start_gateway: StartGateway, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    port = free_port()
    gateway = await start_gateway(relay(1), listeners=listeners(ca, store, port, "a.example.com"))
    await gateway.next_line("certificate obtained", hosts="a.example.com")
    await gateway.next_line("certificate loaded")
    assert await is_trusted(ca, port, "a.example.com")
    assert not await is_trusted(ca, port, "b.example.com")

    # one more name is a new order
    await gateway.reload(relay(1), listeners=listeners(ca, store, port, "a.example.com", "b.example.com"))
    await gateway.next_line("certificate obtained", hosts="a.example.com, b.example.com")
    await gateway.next_line("certificate loaded")
    assert await is_trusted(ca, port, "b.example.com")

    # another gateway of the same store has it from the start, and orders none
    other = free_port()
    second = await start_gateway(
        relay(1),
        listeners=[{"bind": "127.0.0.1:0"}, *listeners(ca, store, other, "a.example.com", "b.example.com")[1:]],
    )
    assert await is_trusted(ca, other, "a.example.com")
    assert not second.untaken("certificate obtained")


async def test_one_worker_gets_it_for_all(ca: pebble.Pebble, start_gateway: StartGateway, tmp_path: Path) -> None:
    port = free_port()
    gateway = await start_gateway(relay(1), listeners=listeners(ca, tmp_path, port, "a.example.com"), workers=2)
    await gateway.next_line("certificate obtained", worker=1)
    for worker in (1, 2):
        await gateway.next_line("certificate loaded", worker=worker)
    for _ in range(10):  # whichever worker accepts
        assert await is_trusted(ca, port, "a.example.com")


async def test_over_a_tls_listener_alone(ca: pebble.Pebble, start_gateway: StartGateway, tmp_path: Path) -> None:
    """With TLS-ALPN-01, whichever worker the CA meets, and although clients must show a certificate."""
    clients = Authority(tmp_path, "clients")
    (listener,) = listeners(ca, tmp_path, ca.tls_port, "a.example.com", "b.example.com")[1:]
    listener["tls"]["client_ca"] = clients.file
    (tmp_path / "certificates").mkdir()
    (tmp_path / "certificates" / "a.example.com.pem").write_text("half a certificate, which keeps nothing down")
    gateway = await start_gateway(relay(1), listeners=[listener], workers=2)
    await gateway.next_line("certificate obtained", within=PATIENCE, worker=1)
    assert gateway.untaken("challenge answered")
    await gateway.reload(relay(1), listeners=[listener], workers=2)  # or within five seconds
    for worker in (1, 2):
        await gateway.next_line("certificate loaded", within=PATIENCE, worker=worker)
    for _ in range(10):
        assert await is_trusted(ca, ca.tls_port, "a.example.com")


async def balance(port: int, client: trio.SocketStream) -> None:
    """Passes a connection on to the gateway at ``port``, behind a PROXY header."""

    async def pass_on(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            async for data in source:
                await sink.send_all(data)
            await sink.send_eof()

    async with await trio.open_tcp_stream("127.0.0.1", port) as gateway, trio.open_nursery() as nursery:
        await gateway.send_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n")
        nursery.start_soon(pass_on, client, gateway)
        nursery.start_soon(pass_on, gateway, client)


async def test_another_gateway_of_the_store_meets_the_ca(
    ca: pebble.Pebble, start_gateway: StartGateway, nursery: trio.Nursery, tmp_path: Path
) -> None:
    """Through a balancer that speaks the PROXY protocol; the one that orders is not reached by the CA.

    Both are reloaded while the challenge is pending.
    """
    first = listeners(ca, tmp_path, free_port(), "a.example.com")[1:]
    port = free_port()
    second = listeners(ca, tmp_path, port, "a.example.com")[1:]
    second[0]["proxy_protocol"] = {"from": ["127.0.0.1"]}
    nursery.start_soon(partial(trio.serve_tcp, partial(balance, port), ca.tls_port, host="127.0.0.1"))
    orders = await start_gateway(relay(1), listeners=first)
    answers = await start_gateway(relay(1), listeners=second)
    challenges = tmp_path / "tls-challenges"
    with trio.fail_after(PATIENCE):
        while not (challenges.is_dir() and os.listdir(challenges)):  # noqa: ASYNC110 - no line tells
            await trio.sleep(0.05)
    await orders.reload(relay(2), listeners=first)
    await answers.reload(relay(2), listeners=second)
    line = await answers.next_line("challenge answered", within=PATIENCE)
    assert line["client"] == "192.0.2.7:50000"
    await answers.next_line("certificate loaded", within=PATIENCE)
    await orders.next_line("certificate loaded", within=PATIENCE)


async def test_a_ca_that_is_down_keeps_nothing_down(start_gateway: StartGateway, tmp_path: Path) -> None:
    acme = {"hosts": ["a.example.com"], "store": str(tmp_path), "directory": f"https://localhost:{free_port()}/dir"}
    port = free_port()
    gateway = await start_gateway(
        {"name": "hello", "respond": 204},
        listeners=[{"bind": "127.0.0.1:0"}, {"bind": f"127.0.0.1:{port}", "tls": {"acme": acme}}],
    )
    line = await gateway.next_line("certificate not obtained")
    assert line["error"].endswith("/dir cannot be reached")
    stream = await trio.open_tcp_stream("127.0.0.1", gateway.port)
    await stream.send_all(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 204 ")
    await stream.aclose()
