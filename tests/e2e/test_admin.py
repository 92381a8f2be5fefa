"""Metrics and health of a running gateway, as Prometheus and a balancer see them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers.frames import Frame
from tests.peers.stream import open_session
from tests.programs import find

from .gateway import Gateway, OpenBackend, OpenClient, StartGateway, relay, run, write_config
from .library import Serve, echo
from .test_workers import ended, until, workers_of

ADMIN = {"bind": "127.0.0.1:0"}
LONG = {"spread": "0s", "grace": "60s"}  # more than a test may take


class Asker:
    """Asks the admin listener of a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        (line,) = gateway.untaken("admin listening")
        self.address = str(line["address"])

    async def get(self, path: str) -> tuple[int, str]:
        return await trio.to_thread.run_sync(partial(self._get, path))

    def _get(self, path: str) -> tuple[int, str]:
        with socket.socket(socket.AF_UNIX if self.address.startswith("unix:") else socket.AF_INET) as client:
            client.settimeout(20)
            if self.address.startswith("unix:"):
                client.connect(self.address.removeprefix("unix:"))
            else:
                host, _, port = self.address.rpartition(":")
                client.connect((host, int(port)))
            client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while piece := client.recv(1 << 16):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    async def values(self) -> dict[str, float]:
        status, text = await self.get("/metrics")
        assert status == 200
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    async def until(self, name: str, value: float) -> dict[str, float]:
        """Waits until a metric has a value; the gateway tells nobody when it has."""
        values: dict[str, float] = {}
        with trio.move_on_after(10):
            while values.get(name) != value:
                values = await self.values()
                await trio.sleep(0.05)
        assert values.get(name) == value, values
        return values


async def test_what_a_session_moves_is_seen_while_it_is_open(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port), admin=ADMIN)
    client = await open_client(gateway)
    server = await open_session(client, backend)
    admin = Asker(gateway)
    for count in (1, 2):
        await client.send(Frame(1, b"hello"))
        await server.receive()
        values = await admin.values()
        assert values['wsgate_messages_total{route="relay",direction="up"}'] == count
        assert values['wsgate_bytes_total{route="relay",direction="up"}'] == 11 * count
        assert values['wsgate_frames_total{route="relay",direction="up",opcode="text"}'] == count
        assert values['wsgate_message_size_bytes_sum{route="relay",direction="up"}'] == 5 * count
    assert values['wsgate_sessions{route="relay"}'] == 1
    assert values[f'wsgate_backend_sessions{{route="relay",backend="ws://127.0.0.1:{backend.port}"}}'] == 1


async def test_readiness_goes_with_the_first_moment_of_a_drain(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(relay(9), admin=ADMIN, drain={"delay": "60s"})
    admin = Asker(gateway)
    assert await admin.get("/readyz") == (200, "ready\n")
    gateway.process.send_signal(signal.SIGTERM)
    await gateway.next_line("draining")
    assert await admin.get("/readyz") == (503, "not ready\ndraining: 0 of 0 sessions are still open\n")
    assert await admin.get("/healthz") == (200, "alive\n")
    with socket.create_connection(("127.0.0.1", gateway.port)):
        pass  # balancers may still send clients
    gateway.process.send_signal(signal.SIGTERM)
    assert await gateway.wait_exit() == 0


async def test_workers(start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient) -> None:
    """A worker that dies takes nothing of what was counted with it."""
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port), admin=ADMIN, workers=2, drain=LONG)
    admin = Asker(gateway)
    client = await open_client(gateway)
    server = await open_session(client, backend)
    await client.send(Frame(1, b"hello"))
    await server.receive()
    before = await admin.until('wsgate_messages_total{route="relay",direction="up"}', 1)
    assert before['wsgate_frames_total{route="relay",direction="up",opcode="text"}'] == 1
    assert before['wsgate_sessions{route="relay"}'] == 1
    assert before["wsgate_workers_serving"] == 2
    pids = workers_of(gateway)
    for pid in pids:  # the admin's process is one of them
        os.kill(pid, signal.SIGKILL)
    await ended(*pids)
    await until(lambda: len(workers_of(gateway)) == 3)
    after = await admin.until("wsgate_workers_serving", 2)
    assert after['wsgate_sessions{route="relay"}'] == 0
    assert after["wsgate_workers_died_total"] == 2
    for name, value in before.items():
        if re.search("_total|_count|_bucket", name):
            assert after[name] >= value, name
    assert (await admin.get("/readyz"))[0] == 200
    await gateway.next_line("admin died")
    for _ in range(2):
        await gateway.next_line("worker died")
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0


async def test_a_drain_with_workers(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient, tmp_path: Path
) -> None:
    backend = await open_backend()
    file = tmp_path / "admin.sock"
    admin_settings = {"bind": f"unix:{file}", "mode": "0600"}
    gateway = await start_gateway(relay(backend.port), admin=admin_settings, workers=2, drain=LONG)
    admin = Asker(gateway)
    client = await open_client(gateway)
    server = await open_session(client, backend)
    await admin.until('wsgate_sessions{route="relay"}', 1)
    gateway.process.terminate()
    await gateway.next_line("draining")
    status, text = await admin.get("/readyz")
    assert (status, text.splitlines()[:2]) == (503, ["not ready", "draining: 1 of 1 sessions are still open"])
    await client.vanish()
    await server.vanish()
    assert await gateway.wait_exit() == 0
    assert not file.exists()


async def test_a_probe(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo)), admin=ADMIN, drain={"delay": "60s"})
    admin = Asker(gateway)

    async def probe(url: str) -> tuple[int, str]:
        ended = await trio.to_thread.run_sync(run, "probe", url)
        return ended.returncode, ended.stdout + ended.stderr

    status, said = await probe(gateway.url("/x"))
    assert (status, said.partition(" in ")[0]) == (0, f"{gateway.url('/x')}: opened")
    url = f"http://{admin.address}/readyz"
    assert await probe(url) == (0, f"{url}: answered 200: ready\n")
    gateway.process.terminate()
    await gateway.next_line("draining")
    said = "answered 503: not ready draining: 0 of 0 sessions are still open"
    assert await probe(url) == (1, f"wsgate probe: {url}: {said}\n")
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        ended = run("serve", write_config(tmp_path, [relay(9)], admin={"bind": bind}))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"wsgate: cannot listen on {bind}: the address is in use by python")


@pytest.mark.needs("prometheus")
async def test_prometheus_scrapes_it(start_gateway: StartGateway, tmp_path: Path, nursery: trio.Nursery) -> None:
    gateway = await start_gateway(relay(9), admin=ADMIN)
    admin = Asker(gateway)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = tmp_path / "prometheus.yml"
    config.write_text(
        f"scrape_configs: [{{job_name: w, scrape_interval: 100ms, static_configs: [{{targets: ['{admin.address}']}}]}}]"
    )
    prometheus = find("prometheus")
    assert prometheus is not None
    flags = [
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = await trio.lowlevel.open_process([prometheus, *flags, "--log.level=error"])

    def query() -> list[Any]:
        url = f"http://127.0.0.1:{port}/api/v1/query?query=wsgate_workers_serving"
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
            return found

    try:
        found: list[Any] = []
        with trio.move_on_after(20):
            while not found:
                try:
                    found = await trio.to_thread.run_sync(query)
                except urllib.error.HTTPError as error:  # it is not ready yet
                    error.close()
                except OSError:  # it does not listen yet
                    pass
                await trio.sleep(0.05)
        ((_, value),) = [result["value"] for result in found]
        assert value == "1"
    finally:
        process.terminate()
        await process.wait()
