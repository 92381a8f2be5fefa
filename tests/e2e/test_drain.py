"""The end of the process: every peer gets a message that it understands, and no deadline is exceeded."""

from __future__ import annotations

import signal

import pytest
import trio

from tests.peers.frames import BINARY, TEXT, Frame, close_frame
from tests.peers.heads import request
from tests.peers.sockets import free_port
from tests.peers.stream import open_session

from . import herd
from .gateway import Gateway, OpenBackend, OpenClient, OpenSession, StartGateway, StartSession, relay, tunnel
from .library import Serve, connect, echo

LONG = {"grace": "60s", "spread": "0s"}  # more than a test may take


async def refuses_connections(gateway: Gateway) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", gateway.port)
    except OSError:
        return True
    await stream.aclose()
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_every_session_is_told(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient, number: signal.Signals
) -> None:
    backend = await open_backend()
    service = await open_backend()
    gateway = await start_gateway(
        {**relay(backend.port), "match": {"path": "/relay"}}, {**tunnel(service.port), "name": "tunnel"}, drain=LONG
    )
    relayed = await open_client(gateway)
    server = await open_session(relayed, backend, "/relay")
    tunnelled = await open_client(gateway)
    await tunnelled.upgrade("/tunnel")
    tcp = await service.accept()

    gateway.process.send_signal(number)
    assert (await relayed.receive_close())[0] == 1001
    assert (await server.receive_close())[0] == 1001
    assert (await tunnelled.receive_close())[0] == 1001
    assert await refuses_connections(gateway)

    # until the client has answered, both directions are open: a service may finish its work
    await tcp.write(b"saved")
    await tunnelled.send(Frame(BINARY, b"goodbye"), close_frame(1001))
    assert await tcp.read(7) == b"goodbye"
    await tcp.read_end()
    await tcp.vanish()
    for peer in (relayed, server):
        await peer.send(close_frame(1001))
    await relayed.read_end()
    await tunnelled.vanish()
    await relayed.vanish()
    await server.vanish()
    assert await gateway.wait_exit() == 0
    for route, backend_code in (("relay", 1001), ("tunnel", None)):
        line = await gateway.session_line(route=route)
        assert (line["client_code"], line["backend_code"], line["ended_by"]) == (1001, backend_code, "gateway")


async def test_libraries_on_both_ends_make_it_quick(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo)), drain={**LONG, "code": 1012})
    codes = []

    async def talk(opened: trio.Event) -> None:
        async with connect(gateway.url()) as client:
            await client.send("hello")
            await client.recv()
            opened.set()
            await client.wait_closed()
            codes.append(client.close_code)

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            opened = trio.Event()
            nursery.start_soon(talk, opened)
            await opened.wait()
        gateway.process.terminate()
        assert await gateway.wait_exit() == 0
    assert codes == [1012] * 50


async def test_thousands_with_messages_under_way(start_gateway: StartGateway) -> None:
    """Every client sees whole messages without a gap, and then a Close: 5,000 clients, or as many as this machine can
    run."""
    with herd.Herd(pause=1.0) as sessions:
        limits = {"sessions_per_address": "off"}
        gateway = await start_gateway(relay(sessions.port), drain={"spread": "2s", "grace": "20s"}, limits=limits)
        results = await sessions.open(gateway.port, min(5000, herd.room()), within=10)
        count = len(results.clients)
        gateway.process.terminate()
        await sessions.over()
        assert sessions.faults == []
        assert results.codes == {1001: count}
        assert await gateway.wait_exit() == 0
        line = await gateway.next_line("stopped")
        assert (line["ended"], line["cut"]) == (count, 0)


async def test_a_process_without_sessions_just_ends(start_gateway: StartGateway, open_client: OpenClient) -> None:
    gateway = await start_gateway(relay(free_port()), drain=LONG)
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0


async def test_the_close_waits_for_the_end_of_a_frame(open_relay: OpenSession) -> None:
    gateway, client, server = await open_relay(settings={"drain": LONG})
    message = Frame(BINARY, bytes(1000)).encode(None)
    await server.write(message[:500])
    assert await client.read(500) == message[:500]
    gateway.process.terminate()
    assert (await server.receive_close())[0] == 1001  # the other direction stood between frames
    another = Frame(TEXT, b"a frame that never ends here").encode(None)
    await server.write(message[500:] + another[:10])
    assert await client.read(len(message) - 500) == message[500:]
    assert (await client.receive_close())[0] == 1001
    await client.send(close_frame(1001))
    await client.read_end()  # nothing follows a Close, least of all half a frame
    await client.vanish()
    await server.vanish()
    assert await gateway.wait_exit() == 0


async def test_a_handshake_under_way_is_turned_away(start_relay: StartSession) -> None:
    gateway, waiting, backend = await start_relay(settings={"drain": LONG})
    await waiting.write(request())
    server = await backend.accept_request()
    gateway.process.terminate()
    await gateway.next_line("draining")
    await server.accept_upgrade()
    head = await waiting.read_head()
    assert head.status == 503
    assert head.one("Retry-After") is not None
    await server.read_end()
    await waiting.vanish()
    assert await gateway.wait_exit() == 0


async def test_who_never_answers_is_cut_when_the_grace_is_over(open_relay: OpenSession) -> None:
    gateway, client, server = await open_relay(settings={"drain": {"grace": "300ms"}}, timeouts={"close": "60s"})
    gateway.process.terminate()
    assert (await client.receive_close())[0] == 1001
    assert (await server.receive_close())[0] == 1001
    await client.read_end()
    await server.read_end()
    assert await gateway.wait_exit() == 1
    line = await gateway.session_line()
    assert (line["client_code"], line["ended_by"]) == (1001, "gateway")
    assert line["duration"] < 3


async def test_a_second_signal_cuts(open_relay: OpenSession) -> None:
    gateway, client, _ = await open_relay(settings={"drain": LONG}, timeouts={"close": "60s"})
    gateway.process.terminate()
    assert (await client.receive_close())[0] == 1001
    gateway.process.send_signal(signal.SIGINT)
    await client.read_end()
    assert await gateway.wait_exit() == 1
    assert (await gateway.session_line())["ended_by"] == "gateway"
