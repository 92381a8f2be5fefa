"""The tunnel handler, called directly. The tests of connections cover most of it."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.gate.conftest import exchange_for, route, tunnel_to
from tests.gate.handlers.conftest import TEXT, Ends, Made, meanwhile
from tests.limits import no_descriptors, refusing
from tests.log import Log
from tests.peers.frames import BINARY, MASK, Frame
from tests.peers.heads import request
from tests.peers.stream import Backend
from wsgate.gate.exchange import Answer, Opened
from wsgate.gate.handlers.tunnel import handle
from wsgate.relay.recorded_tunnel import RecordBuffer, RecordedUnwrapFlow, RecordedWrapFlow
from wsgate.relay.tcp_leg import TcpLeg
from wsgate.relay.tunnel_flows import UnwrapFlow, WrapFlow
from wsgate.settings.model import (
    ClientTarget,
    Place,
    PlaceKind,
    ProxyVersion,
    Record,
    RouteLimits,
    Target,
    TargetRule,
    TcpAddress,
    TextFrames,
    Tunnel,
)
from wsgate.wire.close import CloseCode
from wsgate.wire.http import Refusal


async def ask(tunnel: Tunnel, asked: bytes | None = None, here: socket.socket | None = None) -> Answer:
    return await handle(exchange_for(route(tunnel), asked, here=here))  # type: ignore[arg-type]


async def test_it_is_open_when_it_is_connected(backend: Backend, tmp_path: Path) -> None:
    record = Record(directory=str(tmp_path))
    opened = await ask(tunnel_to(backend.port, record=record))
    assert isinstance(opened, Opened)
    assert opened.name == f"tcp://127.0.0.1:{backend.port}"
    assert (opened.subprotocol, opened.early, opened.token, opened.record) == (None, b"", None, record)
    opened.transport.close()


async def test_tls_to_a_port_without_tls(backend: Backend) -> None:
    target = Target(TcpAddress("127.0.0.1", backend.port), tls=True)
    async with meanwhile(ask(Tunnel(to=(target,)))) as found:
        server = await backend.accept()
        await server.stream.receive_some()
        await server.write(b"220 hello\r\n")
    refusal = found[0]
    assert isinstance(refusal, Refusal)
    words = f"the peer does not speak TLS: write tcp://127.0.0.1:{backend.port} if that is meant"
    assert refusal.detail == f"no TLS with 127.0.0.1:{backend.port}: {words}"


async def test_out_of_descriptors(backend: Backend, log: Log) -> None:
    """Our own lack of room is not the service's fault: 503, and when to come back."""
    exchange = exchange_for(route(tunnel_to(backend.port)))
    with no_descriptors():
        refusal = await handle(exchange)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.headers) == (503, ((b"Retry-After", b"5"),))
    assert refusal.detail == f"cannot connect to 127.0.0.1:{backend.port}: Too many open files"
    assert log.all("backend failed") == []


async def test_the_next_target_is_tried_behind_one_that_refuses(backend: Backend, log: Log) -> None:
    with refusing() as closed:
        targets = tuple(Target(TcpAddress("127.0.0.1", port)) for port in (closed, backend.port))
        for _ in range(2):
            opened = await ask(Tunnel(to=targets))
            assert isinstance(opened, Opened)
            assert opened.name == f"tcp://127.0.0.1:{backend.port}"
            opened.transport.close()
    assert [line["backend"] for line in log.all("backend failed")] == [f"tcp://127.0.0.1:{closed}"] * 2


async def test_it_leads_where_its_rules_allow(backend: Backend, log: Log) -> None:
    """The client learns nothing more; and a refusal by the route's own rules is no failure."""
    here = Target(TcpAddress("127.0.0.1", backend.port))
    named = Target(TcpAddress("localhost", backend.port))
    with refusing() as closed:
        rules = {"allow": (TargetRule("localhost"), TargetRule(None, closed, closed))}
        opened = await ask(Tunnel(to=(here, Target(TcpAddress("127.0.0.1", closed)), named), **rules))  # type: ignore[arg-type]
    assert isinstance(opened, Opened)
    assert opened.name == f"tcp://localhost:{backend.port}"
    opened.transport.close()
    assert [line["backend"] for line in log.all("backend failed")] == [f"tcp://127.0.0.1:{closed}"]
    refusal = await ask(Tunnel(to=(here,), allow=(TargetRule("localhost"),)))
    detail = f"127.0.0.1:{backend.port} is not allowed on this route"
    assert refusal == Refusal(403, "this target may not be reached", detail=detail)


async def test_what_a_client_names_is_not_told_as_a_failure(log: Log) -> None:
    """Clients could fill the log with such lines."""
    target = ClientTarget(from_=(Place(PlaceKind.QUERY, "to"),))
    with refusing() as closed:
        tunnel = Tunnel(target=target, allow=(TargetRule("127.0.0.1"), TargetRule(None)))
        refusal = await ask(tunnel, request(f"/?to=127.0.0.1:{closed}"))
    assert isinstance(refusal, Refusal)
    assert refusal.status == 502
    assert log.all("backend failed") == []


async def test_the_service_hears_first_who_the_client_is(backend: Backend, ends: Ends) -> None:
    tunnel = tunnel_to(backend.port, proxy_protocol=ProxyVersion.V1)
    opened = await handle(exchange_for(route(tunnel), here=ends[0]))
    assert isinstance(opened, Opened)
    service = await backend.accept()
    assert (await service.read(20)).startswith(b"PROXY TCP4 192.0.2.7")
    opened.transport.close()


# -- the session -------------------------------------------------------------------------------------------------------


async def test_the_session_of_a_tunnel(ends: Ends) -> None:
    made = Made(ends, tunnel_to(1))
    assert isinstance(made.backend, TcpLeg)
    assert (type(made.up), type(made.down)) == (UnwrapFlow, WrapFlow)
    assert made.code(TEXT + b"x") == CloseCode.UNSUPPORTED_DATA


async def test_a_tunnel_that_takes_text(ends: Ends) -> None:
    assert Made(ends, tunnel_to(1, text=TextFrames.ACCEPT)).code(TEXT + b"x") is None


async def test_a_tunnel_that_is_recorded(ends: Ends) -> None:
    made = Made(ends, tunnel_to(1), buffer=RecordBuffer(1 << 20, print))
    assert (type(made.up), type(made.down)) == (RecordedUnwrapFlow, RecordedWrapFlow)


async def test_a_tunnel_has_no_messages(ends: Ends) -> None:
    """A limit of the defaults is the relays'."""
    assert Made(ends, tunnel_to(1), limits=RouteLimits(message=1)).code(Frame(BINARY, b"xx").encode(MASK)) is None
