"""The admin API of a real gateway with workers: who is connected, and the end of one session."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers.frames import close_frame
from tests.peers.heads import request

from .gateway import OpenClient, StartGateway, relay
from .gateway import run as command
from .library import Serve, echo
from .test_admin import Asker
from .test_workers import until, workers_of


def ask(sock: Path, target: str, method: str = "GET", body: object = None) -> Any:
    """Returns the answer's JSON, by curl."""
    command = ["curl", "-sS", "--max-time", "10", "--unix-socket", str(sock), "-X", method]
    if body is not None:
        command += ["-d", json.dumps(body)]
    done = subprocess.run([*command, f"http://localhost/api/v1/{target}"], capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.needs("curl")
@pytest.mark.parametrize("workers", [1, 2])
async def test_sessions_of_all_workers(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient, tmp_path: Path, workers: int
) -> None:
    port, sock = await serve(echo), tmp_path / "admin.sock"
    gateway = await start_gateway(relay(port), admin={"bind": f"unix:{sock}", "mode": "0600"}, workers=workers)
    clients = [await open_client(gateway) for _ in range(4)]
    for client in clients:
        await client.upgrade()

    async def run(*arguments: Any) -> Any:
        return await trio.to_thread.run_sync(ask, sock, *arguments)

    listed = await run("sessions?limit=3")
    assert (listed["total"], len(listed["sessions"])) == (4, 3)
    assert "missing_workers" not in listed
    first = listed["sessions"][0]
    assert (first["route"], first["backend"]) == ("relay", f"ws://127.0.0.1:{port}")
    assert (await run("status"))["ready"]
    (backend,) = (await run("backends"))["backends"]
    assert backend["sessions"] == 4
    listed_by_command = await trio.to_thread.run_sync(command, "sessions", "--admin", f"unix:{sock}")
    assert listed_by_command.stdout.count(f"ws://127.0.0.1:{port}") == 4
    assert (await run(f"sessions/{first['id']}"))["session"]["client"] == first["client"]
    assert (await run("sessions/none"))["error"].startswith("no session")
    mine = next(client for client in clients if client.address == first["client"])
    assert await run(f"sessions/{first['id']}?code=4001&reason=bye", "DELETE") == {"closed": [first["id"]]}
    assert await mine.receive_close() == (4001, "bye")
    await mine.send(close_frame(4001))
    await mine.read_end()
    await mine.stream.aclose()
    assert (await gateway.next_line("session"))["reason"] == "operator"
    closed = await run("sessions/close", "POST", {"filter": {"route": "relay"}, "code": 1012})
    assert len(closed["closed"]) == 3
    for client in clients:
        await client.stream.aclose()
    config = (await run("config"))["config"]
    assert (config["workers"], config["routes"][0]["name"]) == (workers, "relay")
    assert (await run("openapi.json"))["openapi"] == "3.1.0"
    assert await run("reload", "POST") == {"reload": "begun"}
    await gateway.next_line("reloaded")
    gateway.file.write_text(gateway.file.read_text() + "nonsense: 1\n")
    (problem,) = (await run("reload", "POST"))["problems"]
    assert problem["message"].startswith("unknown key 'nonsense'")
    assert await run("drain", "POST") == {"drain": "begun"}
    await gateway.process.wait()


@pytest.mark.needs("curl")
async def test_a_drain_of_a_route_holds_for_all_workers_and_across_a_reload(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient, tmp_path: Path
) -> None:
    """Also for a worker that has taken the place of a dead one."""
    port, sock = await serve(echo), tmp_path / "admin.sock"
    admin = {"bind": f"unix:{sock}", "mode": "0600"}
    gateway = await start_gateway(relay(port), admin=admin, workers=2)
    clients = [await open_client(gateway) for _ in range(4)]
    for client in clients:
        await client.upgrade()

    async def run(*arguments: str) -> str:
        done = await trio.to_thread.run_sync(lambda: command(*arguments, "--admin", f"unix:{sock}"))
        assert done.returncode == 0, done
        return done.stdout

    async def refused() -> None:
        for _ in range(4):
            late = await open_client(gateway)
            await late.write(request())
            head = await late.read_head()
            assert (head.status, head.one("Retry-After")) == (503, "5")
            await late.vanish()

    assert await run("drain", "--route", "relay") == "relay drains\n"
    for client in clients:
        assert await client.receive_close() == (1012, "the gateway moves this session")
        await client.send(close_frame(1012))
        await client.read_end()
        await client.stream.aclose()
    await refused()
    gateway.file.write_text(gateway.file.read_text() + "exit_when_idle: 1h\n")
    gateway.process.send_signal(signal.SIGHUP)
    for _ in range(2):
        await gateway.next_line("reloaded")
    await refused()
    before = workers_of(gateway)
    os.kill(before[-1], signal.SIGKILL)  # the first one is the admin
    await gateway.next_line("worker died")
    await until(lambda: len(workers_of(gateway)) == len(before))
    await Asker(gateway).until("wsgate_workers_serving", 2)
    await refused()
    assert "draining" in await run("routes")
    assert "the route relay drains" in await run("status")
    assert await run("drain", "--route", "relay", "--undo") == "relay drains no more\n"
    again = await open_client(gateway)
    await again.upgrade()
    await again.vanish()
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0
