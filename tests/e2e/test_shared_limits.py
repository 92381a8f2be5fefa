"""Two gateways that share limits on a Redis server, which is killed, restarted, and stops answering under load."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trio
from websockets.exceptions import InvalidStatus
from websockets.trio.client import ClientConnection

from tests.redis_server import RedisServer, redis_server, watched_servers

from .gateway import Gateway, StartGateway, relay
from .library import Serve, connect, echo

pytestmark = pytest.mark.needs("redis-server")

LEASE = 15  # seconds
DEADLINE = 30.0  # seconds for what takes a renewal, a lease, or a pause after a failure


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    directory = tmp_path / "redis"
    directory.mkdir()
    with redis_server(directory) as server:
        yield server


@pytest.fixture
def database(server: RedisServer) -> Iterator[Any]:
    client = redis.Redis(port=server.port)
    yield client
    client.close()


Start = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def start(start_gateway: StartGateway, serve: Serve, server: RedisServer) -> Start:
    """``await start(**limits)``: one of the gateways."""
    port = await serve(echo)

    async def start(workers: int = 1, **limits: Any) -> Gateway:
        limits = {"sessions_per_address": 3, "shared": str(server.url), **limits}
        return await start_gateway(relay(port), limits=limits, workers=workers)

    return start


async def is_let_in(gateway: Gateway) -> bool:
    """Whether a client may begin a session, which it ends at once."""
    try:
        async with connect(gateway.url()) as client:
            await say(client)
    except InvalidStatus as refused:
        if refused.response.status_code != 429:
            raise
        return False
    return True


async def until(gateway: Gateway, let_in: bool) -> None:
    with trio.fail_after(DEADLINE):
        while await is_let_in(gateway) is not let_in:
            pass


async def say(client: ClientConnection) -> None:
    await client.send("hello")
    assert await client.recv() == "hello"


async def open_sessions(stack: contextlib.AsyncExitStack, gateway: Gateway, number: int) -> list[ClientConnection]:
    return [await stack.enter_async_context(connect(gateway.url())) for _ in range(number)]


async def test_two_gateways_count_together(start: Start) -> None:
    here, there = await start(workers=2), await start()
    async with contextlib.AsyncExitStack() as stack:
        await open_sessions(stack, here, 2)
        await open_sessions(stack, there, 1)
        await until(here, False)
        await until(there, False)
    await until(here, True)
    await until(there, True)


async def test_redis_is_killed_and_restarted_under_load(start: Start, server: RedisServer) -> None:
    here, there = await start(), await start()
    let_in = {here: 0, there: 0}

    async def come_and_go(gateway: Gateway, stop: trio.Event) -> None:
        while not stop.is_set():
            if await is_let_in(gateway):
                let_in[gateway] += 1

    async with contextlib.AsyncExitStack() as stack:
        sessions = [*await open_sessions(stack, here, 2), *await open_sessions(stack, there, 1)]
        await until(there, False)
        stop = trio.Event()
        async with trio.open_nursery() as load:
            for gateway in (here, there) * 3:
                load.start_soon(come_and_go, gateway, stop)
            for _ in range(3):
                server.kill()
                before = dict(let_in)
                with trio.fail_after(DEADLINE):
                    while any(let_in[gateway] < before[gateway] + 5 for gateway in let_in):  # each has room for itself
                        await say(sessions[0])
                server.start()
            stop.set()
        for client in sessions:
            await say(client)
        await here.next_line("limits not shared")
        await here.next_line("limits shared again", within=DEADLINE)
        await until(there, False)
    assert [client.close_code for client in sessions] == [1000] * 3


async def test_redis_that_hangs(start: Start, server: RedisServer) -> None:
    here, there = await start(), await start()
    async with contextlib.AsyncExitStack() as stack:
        sessions = await open_sessions(stack, here, 3)
        await until(there, False)
        server.hang()
        await until(there, True)
        line = await there.next_line("limits not shared")
        assert (line["redis"], line["consequence"]) == (server.url.shown, "this gateway counts for itself")
        for client in sessions:
            await say(client)
        server.go_on()
        await there.next_line("limits shared again", within=DEADLINE)
        await until(there, False)


async def test_a_replica_is_promoted_by_sentinels(start: Start, tmp_path: Path) -> None:
    with watched_servers(tmp_path) as (first, second, sentinel):
        shared = str(sentinel.url_of(first))
        here, there = await start(shared=shared), await start(shared=shared)
        async with contextlib.AsyncExitStack() as stack:
            sessions = [*await open_sessions(stack, here, 2), *await open_sessions(stack, there, 1)]
            await until(there, False)
            master, replica = sentinel.find_master(first, second)
            master.kill()
            with trio.fail_after(DEADLINE), contextlib.closing(replica.client) as client:
                while client.info("replication")["role"] != "master":
                    for session in sessions:
                        await say(session)
            # alone each of them would let one more in
            await until(there, False)
            await until(here, False)
            for session in sessions:
                await say(session)
        assert [session.close_code for session in sessions] == [1000] * 3


async def test_what_a_killed_gateway_had_ends_with_its_lease(start: Start, database: Any) -> None:
    here, there = await start(), await start()
    clients = [connect(here.url()) for _ in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(client)
        await until(there, False)
        here.process.kill()
        await here.process.wait()
    ((key, process, number, ends),) = [
        (key, process, *map(int, value.split()))
        for key in database.scan_iter("wsgate:sessions:*")
        for process, value in database.hgetall(key).items()
        if value.split()[0] == b"3"
    ]
    seconds, microseconds = database.time()
    assert 0 < ends - (seconds * 1_000_000 + microseconds) <= LEASE * 1_000_000
    assert 0 < database.pttl(key) <= LEASE * 1_000
    assert not await is_let_in(there)
    database.hset(key, process, f"{number} 1")  # as if the lease were over, for which the test does not wait
    await until(there, True)
