"""Both sides of the handshake over real sockets, and the messages for failures."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from trio.testing import MockClock

from tests.peers.sockets import reset, tcp_pair
from tests.pki import Authority, client_context
from wsgate.net.io import set_nodelay
from wsgate.net.timed_waits import TimedWaits
from wsgate.net.tls.contexts import backend_context, listener_context
from wsgate.net.tls.handshake import (
    ClientCertificate,
    TlsError,
    client_certificate,
    explain,
    format_name,
    shake_hands,
    shake_hands_soon,
    wrap,
)
from wsgate.net.tls.transport import TlsTransport
from wsgate.settings.model import BackendTls, Certificate, ClientAuth, Tls, TlsVersion

TLS12 = ssl.TLSVersion.TLSv1_2


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def server_context(authority: Authority, **more: Any) -> ssl.SSLContext:
    server = authority.issue("one.test")
    return listener_context(Tls(certificate=server.certificate, key=server.key, **more))


Ends = tuple[TlsTransport | str, TlsTransport | str]


async def attempt(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "one.test") -> Ends:
    """Does a handshake. Returns what each end has then: its socket, or the text of its failure."""
    ours, theirs = pair()
    ends: dict[str, TlsTransport | str] = {}

    async def one(end: str, tls: TlsTransport) -> None:
        try:
            await shake_hands(tls)
            if end == "client" and tls.tls.version() == "TLSv1.3":
                # what the server makes of our certificate is known only behind the handshake
                while True:
                    try:
                        tls.recv(1)
                    except BlockingIOError:
                        if "server" in ends:
                            break
                        await trio.lowlevel.wait_readable(tls)
            ends[end] = tls
        except TlsError as error:
            ends[end] = str(error)
            tls.connection.shutdown(socket.SHUT_WR)
            tls.close()
        except OSError as error:
            ends[end] = explain(error)
            tls.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "server", wrap(ours, server))
        nursery.start_soon(one, "client", wrap(theirs, client, name))
    return ends["server"], ends["client"]


def close(*ends: TlsTransport | str) -> None:
    for end in ends:
        if isinstance(end, TlsTransport):
            end.close()


async def test_a_handshake(authority: Authority) -> None:
    server, client = await attempt(server_context(authority), backend_context(BackendTls(ca=authority.file)))
    assert isinstance(server, TlsTransport)
    assert isinstance(client, TlsTransport)
    assert server.tls.version() == client.tls.version() == "TLSv1.3"
    assert (server.tls.server_side, client.tls.server_side) == (True, False)
    assert not os.get_blocking(server.fileno())
    client.send(b"hello")
    assert server.recv(10) == b"hello"
    assert client_certificate(server) is None
    close(server, client)


class Client:
    """A client whose bytes the test sends itself."""

    def __init__(self, authority: Authority, **attributes: Any) -> None:
        context = client_context(authority, **attributes)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname="one.test")

    def step(self, received: bytes = b"") -> bytes:
        """Returns what it sends next."""
        self._in.write(received)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._out.read()


@pytest.mark.parametrize("answer", ["whole", "in two pieces", "none"])
async def test_a_handshake_that_is_done_soon(authority: Authority, autojump_clock: MockClock, answer: str) -> None:
    """There is one wait. A client that sends piece after piece, or nothing, is left to ``shake_hands``."""
    ours, theirs = pair()
    client, done = Client(authority), []
    calls: list[float] = []

    async def serve() -> None:
        done.append(await shake_hands_soon(tls, TimedWaits(0.1), lambda: calls.append(trio.current_time())))

    with closing(wrap(ours, server_context(authority))) as tls, theirs:
        theirs.send(client.step())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await trio.testing.wait_all_tasks_blocked()
            last = client.step(theirs.recv(10_000))
            if answer == "whole":
                theirs.send(last)
            elif answer == "in two pieces":
                theirs.send(last[:10])
        assert done == [answer == "whole"]
        assert len(calls) == (1 if answer == "none" else 2)
        if answer != "whole":
            theirs.send(last[10 if answer == "in two pieces" else 0 :])
            await shake_hands(tls)
        assert tls.tls.version() == "TLSv1.3"


async def soon(server: TlsTransport, client: Client, theirs: socket.socket) -> bool:
    """Begins the handshake of a client that answers at once. Returns whether it is done."""
    done: list[bool] = []

    async def serve() -> None:
        done.append(await shake_hands_soon(server, TimedWaits(0.1), lambda: None))

    theirs.send(client.step())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await trio.testing.wait_all_tasks_blocked()
        theirs.send(client.step(theirs.recv(10_000)))
    return done[0]


async def test_the_ticket_leaves_with_the_first_answer(authority: Authority) -> None:
    ours, theirs = tcp_pair()
    set_nodelay(ours)  # as with every connection
    with closing(wrap(ours, server_context(authority))) as server, theirs:
        assert await soon(server, Client(authority), theirs)
        with pytest.raises(BlockingIOError):
            theirs.recv(10_000)
        answer = len(b"answer") + 22  # its record
        server.send(b"answer")
        assert len(theirs.recv(10_000)) > answer + 100
        server.send(b"answer")
        assert len(theirs.recv(10_000)) == answer


async def test_what_a_client_waits_for_is_not_held_back(authority: Authority) -> None:
    """The server's Finished of TLS 1.2; and with TLS 1.3 its first flight, if the client has to try another group."""
    ours, theirs = tcp_pair()
    with closing(wrap(ours, server_context(authority))) as server, theirs:
        client = Client(authority, maximum_version=TLS12)
        assert await soon(server, client, theirs)
        client.step(theirs.recv(10_000))
        assert server.tls.version() == client.tls.version() == "TLSv1.2"
    ours, theirs = tcp_pair()
    context = server_context(authority)
    context.set_ecdh_curve("secp384r1")
    with closing(wrap(ours, context)) as server, theirs:
        client = Client(authority)
        assert not await soon(server, client, theirs)
        theirs.send(client.step(theirs.recv(10_000)))
        await shake_hands(server)
        assert server.tls.version() == "TLSv1.3"


async def test_a_handshake_that_fails_soon(authority: Authority) -> None:
    ours, theirs = pair()
    with closing(wrap(ours, server_context(authority))) as tls, theirs:
        theirs.send(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(TlsError, match="the peer does not speak TLS"):
            await shake_hands_soon(tls, TimedWaits(0.1), lambda: None)


async def test_the_name_that_is_asked_for_chooses_the_certificate(authority: Authority) -> None:
    one, two = (
        Certificate(certificate=pair.certificate, key=pair.key)
        for pair in (authority.issue("one.test", to="one"), authority.issue("two.test", to="two"))
    )
    context = listener_context(Tls(certificates=(one, two)))
    for name in ("one.test", "two.test"):  # the client checks it
        server, client = await attempt(context, client_context(authority), name)
        assert isinstance(server, TlsTransport)
        assert (server.context is context) is (name == "one.test")
        close(server, client)


async def test_a_client_that_has_proved_who_it_is(authority: Authority) -> None:
    names = ("worker", "10.0.0.7", "2001:db8::1", "ann@example.com")
    own = authority.issue(*names, to="client", common_name="worker 7, of nine", organization_name="Exämple")
    chain = await trio.Path(own.certificate).read_bytes()
    for auth in ClientAuth:
        server, client = await attempt(
            server_context(authority, client_ca=authority.file, client_auth=auth),
            backend_context(BackendTls(ca=authority.file, certificate=own.certificate, key=own.key)),
        )
        assert isinstance(server, TlsTransport)
        oracle = x509.load_pem_x509_certificate(chain)
        found = client_certificate(server)
        assert found == ClientCertificate(
            # the library writes characters of other alphabets as they are
            oracle.subject.rfc4514_string().replace("ä", "\\C3\\A4"),
            oracle.issuer.rfc4514_string(),
            oracle.serial_number.to_bytes((oracle.serial_number.bit_length() + 7) // 8, "big").hex().upper(),
            oracle.fingerprint(SHA256()).hex(),
            "worker 7, of nine",
            (("dns", "worker"), ("ip", "10.0.0.7"), ("ip", "2001:DB8:0:0:0:0:0:1"), ("email", "ann@example.com")),
        )
        assert found.subject.startswith("CN=worker 7\\, of nine,")
        close(server, client)


Side = Callable[[Authority], ssl.SSLContext]
TRUSTING: Side = lambda authority: client_context(authority)  # noqa: E731
PLAIN: Side = lambda authority: server_context(authority)  # noqa: E731


@pytest.mark.parametrize(
    ("server", "client", "reasons"),
    [
        (
            lambda authority: server_context(authority, min_version=TlsVersion.TLS13),
            lambda authority: client_context(authority, maximum_version=TLS12),
            (
                "the peer speaks no version of TLS that is allowed here",
                "the peer refused with the alert 'protocol version'",
            ),
        ),
        (
            lambda authority: server_context(authority, ciphers="ECDHE-ECDSA-CHACHA20-POLY1305"),
            lambda authority: aes_only(client_context(authority, maximum_version=TLS12)),
            ("there is no cipher that both sides take", "the peer refused with the alert 'handshake failure'"),
        ),
        (
            lambda authority: server_context(authority, client_ca=authority.file),
            lambda authority: client_context(authority, maximum_version=TLS12),
            ("the peer showed no certificate", "the peer refused with the alert 'handshake failure'"),
        ),
        (
            lambda authority: server_context(authority, client_ca=authority.file),
            TRUSTING,
            ("the peer showed no certificate", "the peer refused with the alert 'certificate required'"),
        ),
        (
            PLAIN,
            lambda authority: client_context(),
            (
                "the peer refused with the alert 'unknown ca': it does not trust our certificate",
                "the peer's certificate is not accepted: unable to get local issuer certificate; "
                "name the CA that signed it with tls.ca",
            ),
        ),
    ],
)
async def test_no_handshake(authority: Authority, server: Side, client: Side, reasons: tuple[str, str]) -> None:
    """Each side's message tells what the other side's configuration lacks."""
    assert await attempt(server(authority), client(authority)) == reasons


def aes_only(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    return context


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "two.test",
            "Hostname mismatch, certificate is not valid for 'two.test'; name one of its own with tls.server_name",
        ),
        (
            "192.0.2.9",
            "IP address mismatch, certificate is not valid for '192.0.2.9'; name one of its own with tls.server_name",
        ),
    ],
)
async def test_a_certificate_for_another_name(authority: Authority, name: str, reason: str) -> None:
    _, client = await attempt(server_context(authority), client_context(authority), name)
    assert client == f"the peer's certificate is not accepted: {reason}"


async def test_a_clients_certificate_that_is_not_accepted(authority: Authority, tmp_path: Path) -> None:
    """No cure for the operator: it is the client's to mend."""
    own = Authority(tmp_path, "stranger").issue("worker", to="client")
    server, _ = await attempt(server_context(authority, client_ca=authority.file), client_context(authority, own))
    assert server == "the peer's certificate is not accepted: unable to get local issuer certificate"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the peer does not speak TLS"),
        (b"GET / HTTP/1.1\r\n\r\n", "the peer does not speak TLS"),
        (b"\x00" * 100, "the peer does not speak TLS"),
        (b"\x16\x03\x01\x00\x04\xff\xff\xff\xff", "the handshake failed: "),
        (b"\x16\x03\x01\xff\xff" + bytes(100), "the "),
    ],
)
async def test_what_is_not_tls(authority: Authority, data: bytes, reason: str) -> None:
    for context, name in [(server_context(authority), None), (client_context(authority), "one.test")]:
        ours, theirs = pair()
        with theirs, ours:
            tls = wrap(ours, context, name)
            theirs.send(data)
            with trio.fail_after(5):
                with pytest.raises(TlsError, match=reason if name is None else "the "):
                    await shake_hands(tls)
            # and from here on it can be ended as any other connection
            ours.shutdown(socket.SHUT_WR)
            theirs.send(b"more")
            assert ours.recv(1000).endswith(b"more")


def hello(authority: Authority) -> bytes:
    """The first bytes of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(authority).wrap_bio(incoming, outgoing, server_hostname="one.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("half", [False, True])
async def test_a_peer_that_ends_within_the_handshake(authority: Authority, half: bool) -> None:
    first = hello(authority)
    ours, theirs = pair()
    with closing(wrap(ours, server_context(authority))) as tls:
        theirs.send(first[: len(first) // 2] if half else first)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(TlsError, match=r"^the peer ended the connection$"):
            await shake_hands(tls)
    theirs.close()


async def test_a_peer_that_resets(authority: Authority) -> None:
    ours, theirs = tcp_pair()
    with closing(wrap(ours, server_context(authority))) as tls:
        async with trio.open_nursery() as nursery:

            async def fail() -> None:
                with pytest.raises(TlsError, match=r"^the connection was lost: Connection reset by peer$"):
                    await shake_hands(tls)

            nursery.start_soon(fail)
            await trio.testing.wait_all_tasks_blocked()
            reset(theirs)
    ours, theirs = tcp_pair()
    with ours:
        reset(theirs)
        with pytest.raises(TlsError, match=r"^the connection was lost: Connection reset by peer$"):
            await shake_hands(wrap(ours, server_context(authority)))


def test_a_name_that_cannot_be_asked_for(authority: Authority) -> None:
    for name in (".one.test", "x" * 64 + ".test"):
        ours, theirs = pair()
        with ours, theirs, pytest.raises(TlsError, match="cannot be the name of a server"):
            wrap(ours, client_context(authority), name)


async def test_cancelled_it_leaves_the_connection_to_its_owner(authority: Authority) -> None:
    ours, theirs = pair()
    with theirs, closing(wrap(ours, server_context(authority))) as tls:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(shake_hands, tls)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert scope.cancelled_caught
        assert tls.fileno() >= 0


async def test_it_waits_for_a_peer_that_does_not_read_yet(authority: Authority) -> None:
    ours, theirs = pair()
    before = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            before += ours.send(bytes(1 << 16))
    with closing(wrap(ours, client_context(authority), "one.test")) as client, theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shake_hands, client)
            await trio.testing.wait_all_tasks_blocked()
            while before:
                before -= len(theirs.recv(before))
            with closing(wrap(theirs, server_context(authority))) as server:
                await shake_hands(server)


async def test_a_turn_is_given_before_every_step(authority: Authority) -> None:
    """A step is up to a millisecond of CPU: sessions must not wait for two of them."""
    turns: list[int] = []
    ours, theirs = pair()
    server = wrap(ours, server_context(authority))
    client = wrap(theirs, client_context(authority), "one.test")
    with closing(server), closing(client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shake_hands, server, lambda: turns.append(len(turns)))
            await trio.testing.wait_all_tasks_blocked()
            assert len(turns) == 1
            nursery.start_soon(shake_hands, client)
    assert len(turns) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ((), ""),
        (
            ((("countryName", "DE"),), (("organizationName", "Example"),), (("commonName", "a b"),)),
            "CN=a b,O=Example,C=DE",
        ),
        (((("domainComponent", "test"),), (("userId", "x"), ("commonName", "y"))), "UID=x+CN=y,DC=test"),
        (((("emailAddress", "a@b.test"), ("1.2.3.4", "?")),), "emailAddress=a@b.test+1.2.3.4=?"),
        (((("commonName", 'a,b+c"d\\e<f>g;h=i'),),), 'CN=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h=i'),
        (((("commonName", " a "),),), "CN=\\ a\\ "),
        (((("commonName", " "),),), "CN=\\ "),
        (((("commonName", "#a#"),),), "CN=\\#a#"),
        (((("commonName", ""),),), "CN="),
        (((("commonName", "grüße"),),), "CN=gr\\C3\\BC\\C3\\9Fe"),
        (((("commonName", "a\r\nX-Admin: yes\0"),),), "CN=a\\0D\\0AX-Admin: yes\\00"),
    ],
)
def test_names_as_in_rfc_4514(name: Any, expected: str) -> None:
    assert format_name(name) == expected
    assert expected.isascii()
    assert expected.isprintable()


def test_errors_without_a_name_of_their_own() -> None:
    assert (
        explain(OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
        == "the connection was lost: Connection timed out"
    )
    assert explain(ssl.SSLError(1, "what it says")) == "the handshake failed: what it says"
