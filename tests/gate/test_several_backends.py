"""Sessions of a relay with several backends, from the client's first byte on; the policies have tests of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.gate.conftest import Gate, StartGate, closed, route
from tests.log import Log
from tests.peers.frames import Frame
from tests.peers.heads import request
from tests.peers.stream import Backend, Peer
from wsgate.settings.model import (
    Balance,
    Eject,
    Policy,
    Relay,
    RelayBackend,
    TcpAddress,
    UnixAddress,
    WebSocketUrl,
)


@asynccontextmanager
async def backends(count: int) -> AsyncIterator[list[Backend]]:
    found = [Backend((await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]) for _ in range(count)]
    try:
        yield found
    finally:
        for backend in found:
            await backend.aclose()


def relay(*found: Backend, policy: Policy = Policy.ROUND_ROBIN, **more: Any) -> Relay:
    to = [RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", each.port), None)) for each in found]
    return Relay(to=tuple(to), balance=Balance(policy=policy), **more)


async def open_session(
    gate: Gate, found: list[Backend], headers: Mapping[str, str | None] = {}
) -> tuple[Peer, Peer, int]:
    """A client, its backend's end, and which backend that is."""
    peer = gate.connect()
    await peer.write(request(headers=headers))
    opened: list[tuple[Peer, int]] = []

    async def accept(index: int) -> None:
        server = await found[index].accept_request()
        opened.append((server, index))
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for index in range(len(found)):
            nursery.start_soon(accept, index)
    ((server, index),) = opened
    await server.accept_upgrade()
    assert (await peer.read_head()).status == 101
    return peer, server, index


async def test_they_are_spread(start_gate: StartGate) -> None:
    async with backends(3) as found:
        gate = start_gate(route(relay(*found)))
        assert Counter([(await open_session(gate, found))[2] for _ in range(9)]) == {0: 3, 1: 3, 2: 3}


async def test_the_one_with_fewer_sessions_gets_the_next(start_gate: StartGate) -> None:
    async with backends(2) as found:
        gate = start_gate(route(relay(*found, policy=Policy.LEAST_SESSIONS)))
        opened = [await open_session(gate, found) for _ in range(4)]
        gone = [(peer, server) for peer, server, index in opened if index == 1]
        for peer, server in gone:
            await peer.vanish()
            await server.vanish()
        upstream = gate.gateway.site.routes[0].upstream
        assert upstream is not None
        while upstream.backends[1].sessions:
            await trio.lowlevel.checkpoint()
        assert [(await open_session(gate, found))[2] for _ in range(2)] == [1, 1]


async def test_each_at_its_cap_is_a_503(start_gate: StartGate, log: Log) -> None:
    async with backends(1) as found:
        to = RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", found[0].port), None), sessions=1)
        gate = start_gate(route(Relay(to=(to,))))
        peer, server, _ = await open_session(gate, found)
        refused = gate.connect()
        await refused.write(request())
        head = await refused.read_head()
        assert (head.status, head.one("Retry-After")) == (503, "5")
        assert log.one("refused")["detail"] == "each is unhealthy, or at its sessions"
        for end in (peer, server, refused):
            await end.vanish()
        await closed(gate)
        await open_session(gate, found)


async def test_one_that_ends_its_sessions_at_once_is_left_alone(start_gate: StartGate, log: Log) -> None:
    async with backends(2) as found:
        gate = start_gate(route(relay(*found, policy=Policy.FIRST, eject=Eject(failures=3))))
        for _ in range(3):
            peer, server, index = await open_session(gate, found)
            assert index == 0
            await server.vanish()
            await peer.receive_close()
            await peer.vanish()
            await closed(gate)
        assert log.one("backend ejected")["backend"] == f"ws://127.0.0.1:{found[0].port}"
        assert (await open_session(gate, found))[2] == 1


@pytest.mark.parametrize("code", [1000, 1001, 1012, 4000])
async def test_a_clean_close_is_no_failure(start_gate: StartGate, log: Log, code: int) -> None:
    async with backends(2) as found:
        gate = start_gate(route(relay(*found, policy=Policy.FIRST, eject=Eject(failures=1))))
        for _ in range(3):
            peer, server, index = await open_session(gate, found)
            assert index == 0
            await server.send(Frame(8, code.to_bytes(2, "big")))
            assert (await peer.receive_close())[0] == code
            for end in (peer, server):
                await end.vanish()
            await closed(gate)
        assert log.all("backend ejected") == []


async def test_a_backend_on_a_unix_socket(start_gate: StartGate, tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    with trio.socket.socket(trio.socket.AF_UNIX) as listening:
        await listening.bind(path)
        listening.listen()
        gate = start_gate(route(Relay(to=(RelayBackend(url=WebSocketUrl(UnixAddress(path), "/base")),))))
        peer = gate.connect()
        await peer.write(request("/", {"Host": "gate.test"}))
        accepted, _ = await listening.accept()
        server = Peer(trio.SocketStream(accepted), mask=None)
        head = await server.read_head()
        assert (head.target, head.one("Host")) == ("/base", "gate.test")
        await server.accept_upgrade()
        assert (await peer.read_head()).status == 101
        await peer.send(Frame(2, b"hello"))
        assert (await server.receive()).payload == b"hello"
        await server.vanish()


async def test_a_cookie_brings_a_client_back(start_gate: StartGate) -> None:
    async with backends(3) as found:
        action = relay(*found)
        action = replace(action, balance=Balance(policy=Policy.ROUND_ROBIN, cookie="desk"))
        gate = start_gate(route(action))
        peer, _, index = await open_session(gate, found)
        given = peer.head.one("Set-Cookie")
        assert given is not None
        assert given.endswith("; Path=/; HttpOnly; SameSite=Lax")
        for _ in range(4):
            again, _, where = await open_session(gate, found, {"Cookie": given.partition(";")[0]})
            assert (where, again.head.one("Set-Cookie")) == (index, None)
