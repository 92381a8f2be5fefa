"""A gateway of several processes behaves like one process for clients and for the service manager."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.peers.stream import open_session
from tests.pki import Authority, client_context
from wsgate.ops.log_writer import NAME

from .gateway import Gateway, OpenBackend, OpenClient, StartGateway, relay
from .library import Serve, connect, echo

LONG = {"spread": "0s", "grace": "60s"}  # more than a test may take
MANY = 24  # sessions, so that each of two workers has one, except once in 8 million runs


def workers_of(gateway: Gateway) -> list[int]:
    """The process ids; one more child writes the parent's log."""
    pid = gateway.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if Path(f"/proc/{child}/comm").read_text() != f"{NAME}\n"]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - other processes have no event for us
        await trio.sleep(0.01)


async def ended(*pids: int) -> None:
    await until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


class Talker:
    """A client that goes on talking until it is stopped, or its session ends."""

    def __init__(self) -> None:
        self.answers = 0
        self.close_code: int | None = None
        self.stopped = False

    async def run(self, url: str, opened: trio.Event) -> None:
        try:
            async with connect(url) as client:
                while not self.stopped:
                    await client.send(str(self.answers))
                    assert await client.recv() == str(self.answers)
                    self.answers += 1
                    opened.set()
                    await trio.sleep(0.02)  # real time: the gateway has no other
        except ConnectionClosed:
            self.close_code = client.close_code

    async def next_answer(self) -> bool:
        """Whether it gets another one."""
        before = self.answers
        await until(lambda: self.close_code is not None or self.answers > before)
        return self.close_code is None


async def talk(nursery: trio.Nursery, url: str) -> Talker:
    talker = Talker()
    opened = trio.Event()
    nursery.start_soon(talker.run, url, opened)
    with trio.fail_after(5):
        await opened.wait()
    return talker


async def test_the_death_of_one_is_nothing_to_the_others(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo)), workers=2)
    victim, survivor = workers_of(gateway)
    async with trio.open_nursery() as nursery:
        before = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        os.kill(victim, signal.SIGKILL)
        died = await gateway.next_line("worker died", worker=1, pid=victim, signal="SIGKILL", replaced_in=0)
        # each of them succeeds at the first attempt, also before the dead worker is replaced
        after = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        alive = [talker for talker in before if await talker.next_answer()]
        assert len(before) - len(alive) == died["sessions"]
        assert 0 < len(alive) < MANY
        assert all([await talker.next_answer() for talker in after])
        await until(lambda: len(workers_of(gateway)) == 2)
        later = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        for talker in (*alive, *after, *later):
            talker.stopped = True
    lines = [await gateway.session_line() for _ in range(len(alive) + 2 * MANY)]
    assert {line["worker"] for line in lines} == {1, 2}
    assert survivor in workers_of(gateway)
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0  # what was lost was lost before


async def test_workers_end_with_their_parent(start_gateway: StartGateway, serve: Serve) -> None:
    """As after a signal to stop: sessions get a Close."""
    gateway = await start_gateway(relay(await serve(echo)), workers=2, drain={**LONG, "code": 1012})
    workers = workers_of(gateway)
    async with trio.open_nursery() as nursery:
        talkers = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        gateway.process.kill()
        assert await gateway.wait_exit() == -signal.SIGKILL
    await ended(*workers)
    assert [talker.close_code for talker in talkers] == [1012] * MANY
    assert {line["worker"] for line in gateway.untaken("parent died")} == {1, 2}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_every_session_of_every_worker_is_told(
    start_gateway: StartGateway, serve: Serve, number: signal.Signals
) -> None:
    """The signal goes to the whole process group, as at Ctrl-C in a terminal: one signal, not one more for each."""
    gateway = await start_gateway(
        relay(await serve(echo)), workers=2, drain={**LONG, "code": 1012}, process={"process_group": 0}
    )
    workers = workers_of(gateway)
    async with trio.open_nursery() as nursery:
        talkers = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        os.killpg(gateway.process.pid, number)
        assert await gateway.wait_exit() == 0
    assert [talker.close_code for talker in talkers] == [1012] * MANY
    assert {line["worker"] for line in gateway.untaken("session")} == {1, 2}
    assert (await gateway.next_line("draining"))["sessions"] == MANY
    stopped = await gateway.next_line("stopped")
    assert (stopped["ended"], stopped["cut"]) == (MANY, 0)
    assert not gateway.untaken("cutting")
    await ended(*workers)


async def test_a_second_signal_cuts_all_of_them(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port, timeouts={"close": "60s"}), workers=2, drain=LONG)
    clients = [await open_client(gateway) for _ in range(MANY)]
    for client in clients:
        await open_session(client, backend)
    gateway.process.terminate()
    for client in clients:
        assert (await client.receive_close())[0] == 1001
    gateway.process.send_signal(signal.SIGINT)
    for client in clients:
        await client.read_end()
    assert await gateway.wait_exit() == 1
    assert (await gateway.next_line("stopped"))["cut"] == MANY


async def test_a_limit_holds_for_all_together(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo)), workers=2, limits={"sessions": 5})
    async with trio.open_nursery() as nursery:
        talkers = [await talk(nursery, gateway.url()) for _ in range(5)]
        for _ in range(MANY):  # both of them
            with pytest.raises(InvalidStatus) as refused:
                await connect(gateway.url()).__aenter__()
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "5"
        for worker in (1, 2):
            await gateway.refused_line(worker=worker)
        talkers[0].stopped = True
        await gateway.session_line()
        talkers.append(await talk(nursery, gateway.url()))
        for talker in talkers:
            talker.stopped = True


async def test_a_limit_of_an_address_holds_for_all_together(start_gateway: StartGateway, serve: Serve) -> None:
    """And what a dead worker had is free again."""
    limits = {"sessions_per_address": MANY}
    gateway = await start_gateway(relay(await serve(echo)), workers=2, limits=limits)
    async with trio.open_nursery() as nursery:
        talkers = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        for _ in range(MANY):  # both of them
            with pytest.raises(InvalidStatus) as refused:
                await connect(gateway.url()).__aenter__()
            assert refused.value.response.status_code == 429
        for worker in (1, 2):
            await gateway.refused_line(worker=worker)
        os.kill(workers_of(gateway)[0], signal.SIGKILL)
        lost = (await gateway.next_line("worker died"))["sessions"]
        assert lost > 0
        talkers += [await talk(nursery, gateway.url()) for _ in range(lost)]
        with pytest.raises(InvalidStatus):
            await connect(gateway.url()).__aenter__()
        for talker in talkers:
            talker.stopped = True


async def test_a_cap_of_a_backend_holds_for_all_together(start_gateway: StartGateway, serve: Serve) -> None:
    """And what a dead worker had is free again."""
    backend = {"url": f"ws://127.0.0.1:{await serve(echo)}", "sessions": MANY}
    gateway = await start_gateway({**relay(0), "relay": {"to": [backend]}}, workers=2)
    async with trio.open_nursery() as nursery:
        talkers = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        for _ in range(MANY):  # both of them
            with pytest.raises(InvalidStatus) as refused:
                await connect(gateway.url()).__aenter__()
            assert refused.value.response.status_code == 503
        for worker in (1, 2):
            assert (await gateway.refused_line(worker=worker))["detail"] == "each is unhealthy, or at its sessions"
        os.kill(workers_of(gateway)[0], signal.SIGKILL)
        lost = (await gateway.next_line("worker died"))["sessions"]
        assert lost > 0
        talkers += [await talk(nursery, gateway.url()) for _ in range(lost)]
        with pytest.raises(InvalidStatus):
            await connect(gateway.url()).__aenter__()
        for talker in talkers:
            talker.stopped = True


async def test_sessions_that_wait_for_a_place_at_any_worker(start_gateway: StartGateway, serve: Serve) -> None:
    """A place that one worker frees goes to who waits in another one."""
    backend = {"url": f"ws://127.0.0.1:{await serve(echo)}", "sessions": MANY}
    queue = {"size": 2 * MANY, "timeout": "60s"}
    gateway = await start_gateway({**relay(0), "relay": {"to": [backend], "queue": queue}}, workers=2)
    async with trio.open_nursery() as nursery:
        talkers = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        opened = [trio.Event() for _ in range(MANY)]
        late = [Talker() for _ in range(MANY)]
        for talker, event in zip(late, opened, strict=True):
            nursery.start_soon(talker.run, gateway.url(), event)
        for number, talker in enumerate(talkers[: MANY // 2], 1):
            talker.stopped = True
            with trio.fail_after(10):
                await until(lambda: sum(event.is_set() for event in opened) >= number)  # noqa: B023
        assert sum(event.is_set() for event in opened) == MANY // 2
        for talker in (*talkers, *late):
            talker.stopped = True


async def test_a_dead_workers_places_are_free_again(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo)), workers=2, limits={"sessions": MANY})
    async with trio.open_nursery() as nursery:
        before = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        os.kill(workers_of(gateway)[0], signal.SIGKILL)
        lost = (await gateway.next_line("worker died"))["sessions"]
        assert lost > 0
        after = [await talk(nursery, gateway.url()) for _ in range(lost)]
        with pytest.raises(InvalidStatus):
            await connect(gateway.url()).__aenter__()
        for talker in (*before, *after):
            talker.stopped = True


async def test_a_reload_reaches_all(start_gateway: StartGateway, serve: Serve, tmp_path: Path) -> None:
    """Routes, and listeners that come and go: TCP, of which each worker opens its own, and a Unix socket."""
    port = await serve(echo)
    gone = {"bind": f"unix:{tmp_path}/gone"}
    stays, comes, unix = (
        {"bind": "127.0.0.1:0"},
        {"bind": "[::1]:0"},
        {"bind": f"unix:{tmp_path}/comes", "mode": "0600"},
    )
    gateway = await start_gateway(relay(port), listeners=[stays, gone], workers=2)
    async with trio.open_nursery() as nursery:
        talkers = [await talk(nursery, gateway.url()) for _ in range(MANY)]
        await gateway.reload({**relay(port), "match": {"path": "/new"}}, listeners=[stays, comes, unix], workers=2)
        await gateway.next_line("reloaded")  # the other one
        assert not (tmp_path / "gone").exists()
        assert (tmp_path / "comes").stat().st_mode & 0o777 == 0o600
        added = await gateway.next_line("listener added")
        urls = [gateway.url("/new"), f"ws://{added['address']}/new"]
        talkers += [await talk(nursery, url) for url in urls for _ in range(MANY)]
        async with connect("ws://localhost/new", stream=await trio.open_unix_socket(tmp_path / "comes")) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
        for _ in range(MANY):
            with pytest.raises(InvalidStatus, match="404"):
                await connect(gateway.url("/old")).__aenter__()
        assert all([await talker.next_answer() for talker in talkers])
        # a replacement has the reloaded settings too
        os.kill(workers_of(gateway)[0], signal.SIGKILL)
        await gateway.next_line("worker died")
        await until(lambda: len(workers_of(gateway)) == 2)
        talkers += [await talk(nursery, url) for url in urls for _ in range(MANY)]
        for talker in talkers:
            talker.stopped = True
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0
    assert not (tmp_path / "comes").exists()


async def test_a_wrong_file_is_reported_once_and_reaches_nobody(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo)), workers=2)
    gateway.file.write_text("routes: nonsense\n")
    gateway.process.send_signal(signal.SIGHUP)
    await gateway.next_line("reload refused")
    async with trio.open_nursery() as nursery:
        for _ in range(MANY):
            (await talk(nursery, gateway.url())).stopped = True
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0
    assert not gateway.untaken("reload refused")
    assert all("worker" not in line for line in gateway.untaken("wrong configuration"))


async def test_tls_sessions_are_resumed_at_any_worker(
    start_gateway: StartGateway, serve: Serve, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    listener = {"bind": "127.0.0.1:0", "tls": authority.issue("gateway.test").settings()}
    gateway = await start_gateway(relay(await serve(echo)), listeners=[listener], workers=2)
    context = client_context(authority, maximum_version=ssl.TLSVersion.TLSv1_2)  # its tickets come with the handshake

    def shake_hands(session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None]:
        sock = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
        with context.wrap_socket(sock, server_hostname="gateway.test", session=session) as tls:
            return tls.session_reused, tls.session

    def resume() -> list[bool | None]:
        _, session = shake_hands(None)
        return [shake_hands(session)[0] for _ in range(MANY)]

    assert await trio.to_thread.run_sync(resume) == [True] * MANY


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_service_manager_is_told(
    start_gateway: StartGateway, serve: Serve, tmp_path: Path, workers: int
) -> None:
    with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_DGRAM) as manager:
        await manager.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "10000000"}

        beats = 0

        async def heard() -> dict[str, str]:
            """The next notification that is no sign of life."""
            nonlocal beats
            while True:
                with trio.fail_after(10):
                    lines = dict(line.split("=", 1) for line in (await manager.recv(4096)).decode().split("\n"))
                if lines != {"WATCHDOG": "1"}:
                    return lines
                beats += 1

        gateway = await start_gateway(
            relay(port := await serve(echo)), workers=workers, process={"environment": environment}
        )
        assert (await heard())["READY"] == "1"
        await gateway.reload(relay(port, name="other"), workers=workers)
        reloading = await heard()
        assert reloading["RELOADING"] == "1"
        assert reloading["MONOTONIC_USEC"].isdigit()
        assert (await heard())["READY"] == "1"
        gateway.process.terminate()
        assert (await heard())["STOPPING"] == "1"
        assert beats
        assert await gateway.wait_exit() == 0


async def test_auto_runs(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo)), workers="auto")
    async with connect(gateway.url()) as client:
        await client.send("hello")
        assert await client.recv() == "hello"
    cores = len(os.sched_getaffinity(0))
    assert len(workers_of(gateway)) == (cores if cores > 1 else 0)
