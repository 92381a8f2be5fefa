"""Rates of messages and bytes: floods of a real client, and what its neighbours notice of them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import ClientConnection
from websockets.trio.server import ServerConnection

from .gateway import StartGateway, relay
from .library import Serve, connect, echo

RATE, MESSAGES = 400, 1000
READS: dict[str, Any] = {"max_queue": None}  # takes what comes, although the test does not
SURPLUS = MESSAGES - RATE - 64 * RATE // 25  # behind a full bucket and a read of the smallest messages of this test


async def flood(client: ClientConnection, count: int | None = None) -> None:
    for number in itertools.count() if count is None else range(count):
        await client.send(f"message {number:012}")


async def test_a_flood_is_slowed_down_and_loses_nothing(start_gateway: StartGateway, serve: Serve) -> None:
    came: list[str | bytes] = []
    whole = trio.Event()

    async def collect(websocket: ServerConnection) -> None:
        async for message in websocket:
            came.append(message)
            if len(came) == MESSAGES:
                whole.set()

    gateway = await start_gateway(relay(await serve(collect), limits={"messages_per_second": RATE}))
    async with connect(gateway.url()) as client:
        began = trio.current_time()
        await flood(client, MESSAGES)
        with trio.fail_after(60):
            await whole.wait()
        assert trio.current_time() - began >= SURPLUS / RATE  # it could not be sooner
    assert came == [f"message {number:012}" for number in range(MESSAGES)]
    line = await gateway.next_line("throttled")
    assert (line["side"], line["detail"]) == ("client", f"more than {RATE} messages per second")
    over = await gateway.session_line()
    assert (over["client_code"], over["backend_code"], over["messages_up"]) == (1000, 1000, MESSAGES)
    assert over["throttled_up"] >= SURPLUS / RATE
    assert over["throttled_down"] == 0
    assert gateway.untaken("throttled") == []


async def test_a_backend_that_floods_is_slowed_down(start_gateway: StartGateway, serve: Serve) -> None:
    payload = bytes(range(256)) * 400

    async def send_all(websocket: ServerConnection) -> None:
        for _ in range(10):
            await websocket.send(payload)

    gateway = await start_gateway(relay(await serve(send_all), limits={"bytes_per_second": "400KiB"}))
    async with connect(gateway.url()) as client:
        began = trio.current_time()
        assert [message async for message in client] == [payload] * 10
        assert trio.current_time() - began >= (10 * len(payload) - 2 * 409_600) / 409_600
    assert (await gateway.session_line())["throttled_down"] > 0


async def test_who_keeps_to_the_rate_notices_nothing_of_a_flood(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo), limits={"messages_per_second": 300}))
    async with connect(gateway.url(), **READS) as loud, connect(gateway.url()) as quiet, trio.open_nursery() as nursery:
        nursery.start_soon(flood, loud)
        await gateway.next_line("throttled")
        for number in range(200):
            await quiet.send(f"{number}")
            assert await quiet.recv() == f"{number}"
        await quiet.aclose()
        line = await gateway.session_line()
        assert (line["client_code"], line["messages_up"]) == (1000, 200)
        assert "throttled_up" not in line
        nursery.cancel_scope.cancel()


async def test_a_flood_can_end_its_session(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo), limits={"messages_per_second": 50, "over": "close"}))
    async with connect(gateway.url(), **READS) as client:
        with pytest.raises(ConnectionClosed) as caught:
            await flood(client)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "more than 50 messages per second")
    line = await gateway.session_line()
    assert (line["reason"], line["ended_by"], line["client_code"]) == ("too_fast", "client", 1008)


async def test_a_reload_changes_the_rates_of_new_sessions(start_gateway: StartGateway, serve: Serve) -> None:
    port = await serve(echo)
    gateway = await start_gateway(relay(port))
    async with connect(gateway.url()) as before:
        await gateway.reload(relay(port, limits={"messages_per_second": 5, "over": "close"}))
        async with connect(gateway.url(), **READS) as after:
            with pytest.raises(ConnectionClosed):
                await flood(after)
        for number in range(50):
            await before.send(f"{number}")
        for number in range(50):
            assert await before.recv() == f"{number}"
