"""Backends behind TLS: the handshake is a part of the dial, with its reasons and its deadline."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.pki import Authority, server_context
from wsgate.net.dial import DialError, TlsClient, dial
from wsgate.net.tls.contexts import backend_context
from wsgate.net.tls.transport import TlsTransport
from wsgate.settings.model import BackendTls, Target, TcpAddress

from .test_dial import listener, no_descriptor_leaks, refusing, resolve

__all__ = ["listener", "refusing"]  # fixtures

TIMEOUT = 5.0


class Service:
    """An echo behind TLS. ``asked`` are the names that SNI asked for."""

    def __init__(self, listener: trio.SocketListener, context: ssl.SSLContext) -> None:
        self.address = TcpAddress("127.0.0.1", listener.socket.getsockname()[1])
        self.asked: list[str | None] = []
        self.shown: list[Any] = []
        self.greeting = b""  # what must come in front of TLS
        context.sni_callback = lambda _, name, __: self.asked.append(name)
        self._context = context
        self._listener = listener

    def at(self, host: str) -> Target:
        return Target(TcpAddress(host, self.address.port), tls=True)

    async def run(self) -> None:
        await trio.serve_listeners(self._serve, [self._listener])

    async def _serve(self, stream: trio.SocketStream) -> None:
        for byte in self.greeting:
            assert await stream.receive_some(1) == bytes([byte])
        tls: Any = trio.SSLStream(stream, self._context, server_side=True)
        try:
            async for data in tls:
                self.shown.append(tls.getpeercert())
                await tls.send_all(data)
        except trio.BrokenResourceError:
            pass
        finally:
            await stream.aclose()


StartService = Callable[..., Any]


@pytest.fixture
async def start_service(authority: Authority) -> AsyncIterator[StartService]:
    """``await start_service(*names)``"""
    async with trio.open_nursery() as nursery:

        async def start_service(*names: str, client_ca: str | None = None) -> Service:
            pair = authority.issue(*(names or ("localhost", "127.0.0.1")))
            (opened,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            service = Service(opened, server_context(pair, client_ca))
            nursery.start_soon(service.run)
            return service

        yield start_service
        nursery.cancel_scope.cancel()


def client(authority: Authority, server_name: str | None = None, **tls: Any) -> TlsClient:
    return TlsClient(backend_context(BackendTls(ca=authority.file, **tls)), server_name)


async def connect(target: Target, tls: TlsClient) -> TlsTransport:
    sock = await dial(target, TIMEOUT, tls)
    assert isinstance(sock, TlsTransport)
    return sock


async def check(sock: TlsTransport) -> None:
    """It works, is non-blocking, and sends small frames at once."""
    assert not os.get_blocking(sock.fileno())
    assert sock.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    sock.send(b"hello")
    while True:
        try:
            assert sock.recv(10) == b"hello"
            break
        except BlockingIOError:
            await trio.lowlevel.wait_readable(sock)
    sock.close()


async def test_an_address(start_service: StartService, authority: Authority) -> None:
    service = await start_service("127.0.0.1")
    await check(await connect(service.at("127.0.0.1"), client(authority)))
    assert service.asked == [None]  # RFC 6066 §3: literal addresses are not asked for


@pytest.mark.parametrize("host", ["service", "service."])
async def test_a_name(start_service: StartService, authority: Authority, host: str) -> None:
    service = await start_service("service")
    resolve(**{host: [service.address]})
    await check(await connect(service.at(host), client(authority)))
    assert service.asked == ["service"]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_one_address_of_a_name(start_service: StartService, authority: Authority) -> None:
    """SNI and the certificate go by the name, not by the address."""
    service = await start_service("app.test")
    target = Target(TcpAddress("app.test", service.address.port), tls=True)
    at = (socket.AF_INET, ("127.0.0.1", service.address.port))
    tls = client(authority)
    (await dial(target, TIMEOUT, tls, at=at)).close()
    assert service.asked == ["app.test"]
    other = Target(TcpAddress("other.test", service.address.port), tls=True)
    with pytest.raises(DialError) as caught:
        await dial(other, TIMEOUT, tls, at=at)
    assert str(caught.value).startswith(f"no TLS with other.test:{service.address.port} (127.0.0.1): ")


async def test_an_address_with_a_zone(start_service: StartService, authority: Authority) -> None:
    """RFC 4007 §11: a zone has a meaning only on this host, and no certificate has one. 1 is loopback's."""
    service = await start_service("::ffff:127.0.0.1")
    await check(await connect(service.at("::ffff:127.0.0.1%1"), client(authority)))
    assert service.asked == [None]


async def test_the_greeting_comes_before_tls(start_service: StartService, authority: Authority) -> None:
    service = await start_service()
    service.greeting = b"PROXY UNKNOWN\r\n"
    sock = await dial(service.at("127.0.0.1"), TIMEOUT, client(authority), greeting=service.greeting)
    assert isinstance(sock, TlsTransport)
    await check(sock)


async def test_another_name_than_the_addresss(start_service: StartService, authority: Authority) -> None:
    service = await start_service("internal.test")
    await check(await connect(service.at("127.0.0.1"), client(authority, "internal.test")))
    assert service.asked == ["internal.test"]


async def test_a_certificate_of_our_own(start_service: StartService, authority: Authority) -> None:
    own = authority.issue("gateway.test", to="client")
    service = await start_service(client_ca=authority.file)
    tls = client(authority, certificate=own.certificate, key=own.key)
    await check(await connect(service.at("127.0.0.1"), tls))
    assert ("DNS", "gateway.test") in service.shown[0]["subjectAltName"]


async def failure(target: Target, tls: TlsClient, within: float = TIMEOUT) -> DialError:
    with pytest.raises(DialError) as caught:
        await dial(target, within, tls)
    return caught.value


async def test_a_ca_that_is_another_one(start_service: StartService, tmp_path: Path) -> None:
    target = (await start_service()).at("127.0.0.1")
    error = await failure(target, client(Authority(tmp_path, "other")))
    assert error.status == 502
    assert str(error) == (
        f"no TLS with {target.address}: the peer's certificate is not accepted: unable to get local issuer "
        "certificate; name the CA that signed it with tls.ca"
    )


async def test_a_name_that_is_another_one(start_service: StartService, authority: Authority) -> None:
    target = (await start_service("other.test")).at("127.0.0.1")
    for name, what in [(None, "IP address mismatch"), ("service.test", "Hostname mismatch")]:
        error = await failure(target, client(authority, name))
        assert error.status == 502
        assert what in str(error)
        assert "name one of its own with tls.server_name" in str(error)
    await check(await connect(target, client(authority, "other.test")))


async def test_not_verified(start_service: StartService, authority: Authority) -> None:
    target = (await start_service("other.test")).at("127.0.0.1")
    await check(await connect(target, TlsClient(backend_context(BackendTls(verify=False)))))


async def answer(listener: socket.socket, data: bytes) -> socket.socket:
    """Accepts a connection and sends bytes that are no TLS."""
    listener.setblocking(False)
    await trio.lowlevel.wait_readable(listener)
    sock, _ = listener.accept()
    sock.send(data)
    return sock


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"220 mail.test ESMTP\r\n", "the peer does not speak TLS"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "the peer refused with the alert 'handshake failure'"),
    ],
)
async def test_a_service_without_tls(listener: socket.socket, authority: Authority, data: bytes, reason: str) -> None:
    port: int = listener.getsockname()[1]
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            with await answer(listener, data):
                await trio.sleep_forever()

        nursery.start_soon(serve)
        with pytest.raises(DialError) as caught:
            await dial(Target(TcpAddress("127.0.0.1", port), tls=True), TIMEOUT, client(authority))
        nursery.cancel_scope.cancel()
    assert caught.value.status == 502
    assert str(caught.value) == f"no TLS with 127.0.0.1:{port}: {reason}"


async def test_a_service_that_ends_the_connection(listener: socket.socket, authority: Authority) -> None:
    port: int = listener.getsockname()[1]
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            (await answer(listener, b"")).close()

        nursery.start_soon(serve)
        with pytest.raises(DialError, match=r"no TLS with 127.0.0.1:") as caught:
            await dial(Target(TcpAddress("127.0.0.1", port), tls=True), TIMEOUT, client(authority))
    assert caught.value.status == 502


async def test_a_service_that_says_nothing(
    listener: socket.socket, authority: Authority, autojump_clock: MockClock
) -> None:
    """It takes the connection: silence is then in the handshake."""
    target = Target(TcpAddress("127.0.0.1", listener.getsockname()[1]), tls=True)
    began = trio.current_time()
    tls = client(authority)
    with no_descriptor_leaks():
        error = await failure(target, tls, 2.5)
    assert trio.current_time() - began == 2.5
    assert error.status == 504
    assert str(error) == f"{target.address} did not finish the TLS handshake within 2.5 s"


async def test_cancelled_while_it_shakes_hands(listener: socket.socket, authority: Authority) -> None:
    target = Target(TcpAddress("127.0.0.1", listener.getsockname()[1]), tls=True)
    tls = client(authority)
    with no_descriptor_leaks():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial, target, TIMEOUT, tls)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_turns_are_given(start_service: StartService, authority: Authority) -> None:
    turns: list[int] = []
    service = await start_service()
    context = client(authority).context
    sock = await connect(service.at("127.0.0.1"), TlsClient(context, None, lambda: turns.append(1)))
    assert len(turns) >= 2
    await check(sock)
