"""Peers that vanish, and what keeps the connections of others open, in the real process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection

from tests.peers.frames import BINARY, CLOSE, PING, PONG, Frame, close_frame
from tests.peers.heads import request
from tests.programs import find

from .gateway import LINE_DEADLINE, Gateway, StartGateway, StartSession, relay
from .library import Serve

FAST = {"interval": "300ms", "timeout": "300ms"}

# A client that opens a session, reports it, and answers Pings automatically, like every library.
CLIENT = """
import sys
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None, ping_interval=None) as websocket:
    websocket.send("here")
    print(websocket.recv(), flush=True)
    websocket.recv()
"""


@dataclass
class Machine:
    """Another machine: a network namespace at the end of a cable, which can be pulled out."""

    name: str = field(default_factory=lambda: f"wsgate{os.getpid()}")
    ours: str = field(default_factory=lambda: _address(1))
    theirs: str = field(default_factory=lambda: _address(2))

    def plug(self) -> None:
        cable = f"ws{os.getpid()}"
        _ip("netns", "add", self.name)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("address", "add", f"{self.ours}/30", "dev", cable)
        _ip("link", "set", cable, "up")
        _ip("-n", self.name, "address", "add", f"{self.theirs}/30", "dev", "eth0")
        _ip("-n", self.name, "link", "set", "eth0", "up")

    def pull(self) -> None:
        """No FIN, no RST, no answer: packets are lost from now on."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def scrap(self) -> None:
        _ip("netns", "delete", self.name)  # the cable goes with it

    def command(self, *arguments: str) -> list[str]:
        return [_find("ip"), "netns", "exec", self.name, *arguments]


def _address(number: int) -> str:
    """In a network namespace of this process, because the same test may run at the same time."""
    high, low = divmod(os.getpid() % (1 << 14), 64)
    return f"10.203.{high}.{4 * low + number}"


def _find(program: str) -> str:
    path = find(program)
    assert path is not None
    return path


def _ip(*arguments: str) -> None:
    subprocess.run([_find("ip"), *arguments], check=True, capture_output=True)


@pytest.fixture
def machine() -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces are made by root")
    machine = Machine()
    machine.plug()
    yield machine
    machine.scrap()


@pytest.mark.needs("ip")
async def test_a_client_whose_machine_vanishes_is_found_and_its_backend_told(
    machine: Machine, start_gateway: StartGateway, serve: Serve, nursery: trio.Nursery
) -> None:
    ended = trio.Event()
    told: list[ConnectionClosed] = []

    async def watched(websocket: ServerConnection) -> None:
        try:
            while True:
                await websocket.send(await websocket.recv())
        except ConnectionClosed as closed:
            told.append(closed)
            ended.set()

    listeners = [{"bind": f"{machine.ours}:0"}]
    gateway = await start_gateway(relay(await serve(watched), heartbeat=FAST), listeners=listeners)
    url = f"ws://{gateway.addresses[0]}/"
    client = await trio.lowlevel.open_process(
        machine.command(sys.executable, "-c", CLIENT, url), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert client.stdout is not None
    try:
        with trio.fail_after(LINE_DEADLINE):
            assert (await client.stdout.receive_some()).strip() == b"here"
        await outlive(gateway, beats=3)
        machine.pull()
        line = await gateway.session_line(reason="silent", ended_by="client")
        with trio.fail_after(LINE_DEADLINE):
            await ended.wait()
    finally:
        client.kill()
        await client.wait()
        await client.stdout.aclose()
    assert line["detail"] == "client did not answer a Ping"
    assert line["client_rtt_ms"] is not None
    assert told[0].rcvd is not None
    assert (told[0].rcvd.code, told[0].rcvd.reason) == (1001, "client did not answer a Ping")


async def outlive(gateway: Gateway, beats: int) -> None:
    """Waits for some heartbeats, and checks that they ended no session."""
    await trio.sleep(beats * 0.6)  # real time: another machine has no virtual clock
    assert not gateway.untaken("session")


async def test_an_idle_session_is_asked_on_both_sides_and_answers_keep_it(start_relay: StartSession) -> None:
    gateway, client, backend = await start_relay(heartbeat=FAST, timeouts={"close": "500ms"})
    await client.write(request("/"))
    server = await backend.accept_request()
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    async with trio.open_nursery() as nursery:
        for peer in (client, server):

            @nursery.start_soon
            async def answer(peer=peer) -> None:  # type: ignore[no-untyped-def]
                for _ in range(4):
                    ping = await peer.receive()
                    assert ping.opcode == PING
                    await peer.send(Frame(PONG, ping.payload))

    await client.send(Frame(BINARY, b"still here"))
    assert await server.receive() == Frame(BINARY, b"still here")
    # a peer that does not answer gets a Close, and so does the other side
    while (frame := await client.receive()).opcode != CLOSE:
        await client.send(Frame(PONG, frame.payload))
    assert frame == close_frame(1011, "backend did not answer a Ping")
    line = await gateway.session_line(reason="silent", ended_by="backend")
    assert line["backend_code"] == 1011


async def test_a_tunnels_service_is_watched_by_keepalive(start_tunnel: StartSession) -> None:
    _, client, backend = await start_tunnel(settings={"defaults": {"heartbeat": {"interval": "7s", "timeout": "9s"}}})
    await client.write(request("/", {"Sec-WebSocket-Protocol": "binary"}))
    server = await backend.accept()
    assert (await client.read_head()).status == 101
    # The session may begin a moment after its 101. proc(5): 2 is the keepalive timer
    with trio.fail_after(LINE_DEADLINE):
        while timers_of(server.stream.socket.getsockname()[1], server.stream.socket.getpeername()[1]) != "02":  # noqa: ASYNC110
            await trio.sleep(0.01)


def timers_of(remote: int, local: int) -> str:
    """Which timer the kernel runs for a connection on loopback."""
    with open("/proc/net/tcp") as table:
        for line in table:
            fields = line.split()
            if fields[1].endswith(f":{local:04X}") and fields[2].endswith(f":{remote:04X}"):
                return fields[5].partition(":")[0]
    raise AssertionError("no such connection")
