"""A session on socket pairs: the real pump, legs and flows, with the test in the place of both peers."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import trio

from tests.peers import stream
from tests.peers.frames import BINARY, MASK, Frame
from tests.peers.sockets import reset
from tests.pki import shared
from wsgate.net.plain import PlainTransport, take_over
from wsgate.net.tls.transport import TlsTransport
from wsgate.net.transport import Transport
from wsgate.relay import session as relay_session
from wsgate.relay.byte_flow import ByteLeg, pass_bytes
from wsgate.relay.closing import Side
from wsgate.relay.flow import MakeFlows
from wsgate.relay.leg import Leg
from wsgate.relay.limited_session import LimitedSession
from wsgate.relay.outcome import Outcome
from wsgate.relay.pump import HEADROOM, READ_SIZE, Pump
from wsgate.relay.rate_limiter import Observer
from wsgate.relay.recorded_tunnel import RecordBuffer, recorded_tunnel
from wsgate.relay.relay_flow import relay
from wsgate.relay.session_info import ClientInfo, SessionInfo
from wsgate.relay.tcp_leg import TcpLeg
from wsgate.relay.tunnel_flows import tunnel
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import Heartbeat, Route, RouteLimits, Target, Timeouts, Tunnel, UnixAddress
from wsgate.wire.frames import Opcode
from wsgate.wire.kernel import FrameWalk
from wsgate.wire.walk import NO_LIMIT

T = TypeVar("T")
CLOSE_TIMEOUT = 5.0
BUFFER = 4096  # bytes asked of the kernel for each socket buffer; it takes a few times as much
MAX_PENDING = HEADROOM + READ_SIZE + 1024  # bytes that may wait for one peer: one read, and frames of our own
PATIENCE = 500.0  # virtual seconds, far over every timeout under test
REAL_PATIENCE = 3.0  # seconds of the kernel's time, in which it sends again what a full buffer has dropped
TLS13 = ssl.TLSVersion.TLSv1_3
NOWHERE = Tunnel(to=(Target(UnixAddress("/nonexistent/service.sock")),))


@dataclass
class LiveRoute:
    """What a session came by."""

    settings: Route


INFO = SessionInfo("1", "it", ClientInfo("192.0.2.7:50000"), "tcp://127.0.0.1:1", "/", None, 0.0)
ONLY_CLOSE = Timeouts(write=None, close=CLOSE_TIMEOUT)


class Seen:
    """Keeps what an observer of throttles is told."""

    def __init__(self) -> None:
        self.throttles: list[tuple[Side, str]] = []
        self.seconds: list[tuple[Side, float]] = []

    def throttled(self, source: Side, rule: str) -> None:
        self.throttles.append((source, rule))

    def throttle_over(self, source: Side, seconds: float) -> None:
        self.seconds.append((source, seconds))


def data(payload: bytes, opcode: int = BINARY, *, fin: bool = True) -> Frame:
    return Frame(opcode, payload, fin)


# One of each kind: short and long, in fragments, with control frames between them.
FRAMES = [
    data(b""),
    data(b"small"),
    data("größe".encode(), Opcode.TEXT),
    data(b"first ", Opcode.TEXT, fin=False),
    Frame(Opcode.PING, b"between"),
    data(b"second ", Opcode.CONTINUATION, fin=False),
    Frame(Opcode.PONG, b"unsolicited"),
    data(b"last", Opcode.CONTINUATION),
    data(b"x" * 126),
    data(b"y" * 70_000),
    Frame(Opcode.PING, b"p" * 125),
]


async def patiently(wait: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """What this returns once it has come to an end.

    Virtual time jumps when nothing has happened for a moment of real time. TCP may be waiting meanwhile to send again.

    Raises:
        trio.TooSlowError: it has taken too long by both clocks
    """
    began = time.monotonic()
    while True:
        with trio.move_on_after(PATIENCE):
            return await wait(*arguments)
        if time.monotonic() > began + REAL_PATIENCE:
            raise trio.TooSlowError


class TlsEnd:
    """A peer's end of a TLS connection, waited for as trio's sockets are."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.ssl = sock

    async def send(self, data: bytes | memoryview) -> int:
        return await self._call(self.ssl.send, data)

    async def recv(self, size: int) -> bytes:
        return await self._call(self.ssl.recv, size)

    async def _call(self, call: Callable[..., T], argument: object) -> T:
        while True:
            try:
                return call(argument)
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(self.ssl)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self.ssl)

    def shutdown(self, how: int) -> None:
        """close_notify, then FIN."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.ssl.unwrap()
        socket.socket.shutdown(self.ssl, how)

    def fileno(self) -> int:
        return self.ssl.fileno()

    def close(self) -> None:
        self.ssl.close()


class Peer(stream.Peer):
    """The test's end of a leg, on a bare socket: what it has sent is the kernel's."""

    def __init__(self, sock: trio.socket.SocketType | TlsEnd, *, mask: bytes | None = None) -> None:
        super().__init__(sock, mask=mask)
        self.sock = sock

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[await patiently(self.sock.send, rest) :]

    async def fill(self, data: bytes) -> int:
        """Send until nothing moves any more, or it is over; how many bytes went out."""
        sent = 0
        with trio.move_on_after(1):
            while sent < len(data):
                sent += await self.sock.send(data[sent : sent + 65536])
        return sent

    async def _receive_some(self) -> bytes:
        return await patiently(self.sock.recv, 1 << 20)

    def nothing_there(self) -> bool:
        """Whether nothing has come, now."""
        with contextlib.suppress(BlockingIOError), socket.socket(fileno=os.dup(self.sock.fileno())) as sock:
            self._received += sock.recv(1 << 20)
        return not self._received

    def finish(self) -> None:
        """FIN."""
        self.sock.shutdown(socket.SHUT_WR)

    async def vanish(self) -> None:
        self.sock.close()

    async def reset(self) -> None:
        assert isinstance(self.sock, trio.socket.SocketType)
        reset(self.sock)


async def fill(source: Peer, sink_leg: Leg, raw: bytes) -> int:
    """Send until the leg that writes has bytes pending; how many bytes went out."""
    sent = await source.fill(raw)
    assert sink_leg.pending is not None
    return sent


@dataclass
class Session:
    session: relay_session.Session
    client: Peer
    backend: Peer
    client_leg: WebSocketLeg
    backend_leg: WebSocketLeg | TcpLeg
    _outcome: Outcome | None = None
    _error: Exception | None = None
    _over: trio.Event = field(default_factory=trio.Event)

    async def outcome(self) -> Outcome:
        await patiently(self._over.wait)
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    def sides(self, side: Side | str) -> tuple[Peer, Peer]:
        """The peer on this side, and the other."""
        pair = (self.client, self.backend)
        return pair if Side(side) is Side.CLIENT else pair[::-1]

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def session_ended(self, session: relay_session.Session, error: Exception | None, *, cut: bool) -> None:
        assert not self.over
        self._outcome = session.outcome()
        self._error = error
        self._over.set()


def socket_pair(buffer: int | None) -> tuple[PlainTransport, trio.socket.SocketType]:
    """Two ends over TCP on loopback: socket pairs know neither RST nor half of TCP's states."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.socket()
        if buffer is not None:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                ours.setsockopt(socket.SOL_SOCKET, option, buffer)
                server.setsockopt(socket.SOL_SOCKET, option, buffer)
        ours.connect(server.getsockname())
        theirs, _ = server.accept()
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return take_over(ours), trio.socket.from_stdlib_socket(theirs)


@functools.cache
def contexts(version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client's and a server's, which trust each other."""
    ca = shared()
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.configure_trust(client)
    ca.issue_cert("peer.example").configure_cert(server)
    client.minimum_version = client.maximum_version = version
    for context in client, server:  # as net/tls/contexts.py does: Python 3.11.2 sets it itself
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return client, server


def tls_pair(
    buffer: int | None, version: ssl.TLSVersion, *, server_side: bool, unix: bool = False
) -> tuple[TlsTransport, TlsEnd]:
    """Two ends that have shaken hands; ours is the server's or the client's."""
    ours, their_end = unix_pair() if unix else socket_pair(buffer)
    theirs = socket.socket(fileno=their_end.detach())
    theirs.setblocking(False)
    client_context, server_context = contexts(version)
    name = "peer.example"
    transport = TlsTransport(ours, server_context if server_side else client_context, None if server_side else name)
    peer = (client_context if server_side else server_context).wrap_socket(
        theirs,
        server_side=not server_side,
        server_hostname=name if server_side else None,
        do_handshake_on_connect=False,
        suppress_ragged_eofs=False,
    )
    finished: set[object] = set()
    while len(finished) < 2:
        for side in (transport.tls, peer):
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                side.do_handshake()
                finished.add(side)
    return transport, TlsEnd(peer)


def unix_pair() -> tuple[PlainTransport, trio.socket.SocketType]:
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    return take_over(ours), trio.socket.from_stdlib_socket(theirs)


@asynccontextmanager
async def session(
    pump: Pump,
    *,
    mode: str = "relay",
    buffer: int | None = None,
    limit: int = NO_LIMIT,
    accept_text: bool = True,
    compression: bool = False,
    early: tuple[bytes, bytes] = (b"", b""),
    timeouts: Timeouts = ONLY_CLOSE,
    heartbeat: Heartbeat | None = None,
    answers_pings: bool = False,
    unix: bool = False,
    tls: ssl.TLSVersion | None = None,
    records: RecordBuffer | None = None,
    limits: RouteLimits | None = None,
    observer: Observer | None = None,
    expires: float = math.inf,
    flows: Callable[[WebSocketLeg, WebSocketLeg], MakeFlows] | None = None,
) -> AsyncIterator[Session]:
    """Runs a session.

    mode: relay, tunnel, or bytes on both sides
    buffer: the size of the kernel's buffers, so that a peer that does not read has an effect soon
    unix: use Unix sockets, which accept nothing when they are full; TCP's probes let a few bytes through, in real time
    tls: the version for both peers; ``None``: without TLS
    records: gets a copy of the bytes of a tunnel
    limits: of rates; ``None`` for a session without them
    observer: is told of throttles
    expires: when the client's token does, in trio seconds
    flows: makes those of a relay, in place of the plain ones
    """
    client_sock: Transport
    backend_sock: Transport
    client_peer: trio.socket.SocketType | TlsEnd
    backend_peer: trio.socket.SocketType | TlsEnd
    if tls is not None:
        client_sock, client_peer = tls_pair(buffer, tls, server_side=True, unix=unix)
        backend_sock, backend_peer = tls_pair(buffer, tls, server_side=False, unix=unix)
    else:
        client_sock, client_peer = unix_pair() if unix else socket_pair(buffer)
        backend_sock, backend_peer = unix_pair() if unix else socket_pair(buffer)
    client_leg: Any = WebSocketLeg(pump, client_sock, Side.CLIENT, masks=False)
    if mode == "bytes":
        client_leg = ByteLeg(pump, client_sock, Side.CLIENT)
        backend_leg: WebSocketLeg | TcpLeg = ByteLeg(pump, backend_sock, Side.BACKEND)
        assert isinstance(backend_leg, ByteLeg)
        wire = pass_bytes(client_leg, backend_leg)
    elif mode == "relay":
        backend_leg = WebSocketLeg(pump, backend_sock, Side.BACKEND, masks=True)
        assert isinstance(backend_leg, WebSocketLeg)
        up = FrameWalk(masked=True, limit=limit, compression=compression)
        down = FrameWalk(masked=False, limit=limit, compression=compression)
        wire = relay(client_leg, backend_leg, up, down, answers_pings=answers_pings)
        if flows is not None:
            wire = flows(client_leg, backend_leg)
    else:
        backend_leg = TcpLeg(pump, backend_sock, Side.BACKEND)
        up = FrameWalk(masked=True, frame_limit=limit, unwrap=True, accept_text=accept_text)
        if records is None:
            wire = tunnel(client_leg, backend_leg, up)
        else:
            wire = recorded_tunnel(client_leg, backend_leg, up, records)
    route = Route(name="it", action=NOWHERE, timeouts=timeouts, heartbeat=heartbeat)
    info = replace(INFO, expires=expires)
    if limits is None:
        made = relay_session.Session(info, LiveRoute(route), pump, client_leg, backend_leg, wire)
    else:
        route = replace(route, limits=limits)
        made = LimitedSession(info, LiveRoute(route), pump, client_leg, backend_leg, wire, observer=observer or Seen())
    running = Session(made, Peer(client_peer, mask=MASK), Peer(backend_peer), client_leg, backend_leg)
    made.start(running, early)
    await trio.testing.wait_all_tasks_blocked()
    try:
        yield running
    finally:
        made.cut()
        client_peer.close()
        backend_peer.close()
