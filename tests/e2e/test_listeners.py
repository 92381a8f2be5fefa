"""The gateway's addresses and its permissions: several addresses at once, and privileged ports."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.programs import find

from .gateway import COMMAND, ENVIRONMENT, StartGateway, relay, write_config
from .library import Serve, connect, echo

# A user without privileges; the second group is for the files of this Python, which may belong to another user
CAPABILITIES = "+net_bind_service,+dac_override"
PLAIN_USER = ["--reuid=65534", "--regid=65534", "--clear-groups"]


def run_with(*privileges: str) -> list[str]:
    """Runs in a network namespace where port 80 is free and privileged, with these privileges."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces are made by root")
    unshare, setpriv = find("unshare"), find("setpriv")
    assert unshare is not None
    assert setpriv is not None
    return [unshare, "--net", setpriv, *privileges]


async def say_hello(url: str, **options: Any) -> None:
    async with connect(url, **options) as client:
        await client.send("hello")
        assert await client.recv() == "hello"


@pytest.mark.parametrize("workers", [1, 2])
async def test_several_at_once(start_gateway: StartGateway, serve: Serve, tmp_path: Path, workers: int) -> None:
    path = tmp_path / "gateway.sock"
    listeners = [
        {"bind": "127.0.0.1:0"},
        {"bind": "[::1]:0"},
        {"bind": "[::]:0"},
        {"bind": f"unix:{path}", "mode": "0620"},
    ]
    gateway = await start_gateway(relay(await serve(echo)), listeners=listeners, workers=workers)
    ipv4, ipv6, both, unix = gateway.addresses
    assert unix == f"unix:{path}"
    for address in (ipv4, ipv6, both.replace("[::]", "[::1]"), both.replace("[::]", "127.0.0.1")):
        await say_hello(f"ws://{address}/")
    await say_hello("ws://gateway.test/", stream=await trio.open_unix_socket(path))
    assert path.stat().st_mode & 0o777 == 0o620
    lines = [await gateway.session_line() for _ in range(5)]
    clients = [line["client"].rpartition(":")[0] for line in lines]
    # each worker writes its lines when it comes to them
    assert sorted(clients) == ["127.0.0.1", "127.0.0.1", "[::1]", "[::1]", "unix"]
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0
    assert not path.exists()


@pytest.mark.needs("setpriv", "unshare")
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_privileged_port_and_a_plain_user_who_may(
    start_gateway: StartGateway, serve: Serve, workers: int
) -> None:
    prefix = run_with(*PLAIN_USER, f"--inh-caps={CAPABILITIES}", f"--ambient-caps={CAPABILITIES}")
    gateway = await start_gateway(
        relay(9), listeners=[{"bind": "0.0.0.0"}], workers=workers, process={"prefix": prefix}
    )
    assert gateway.addresses == ["0.0.0.0:80"]
    assert os.stat(f"/proc/{gateway.process.pid}").st_uid == 65534


@pytest.mark.needs("setpriv", "unshare")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_privileged_port_and_somebody_who_may_not(tmp_path: Path, workers: int) -> None:
    file = write_config(tmp_path, [relay(9)], listeners=[{"bind": "0.0.0.0:80"}], workers=workers)
    done = subprocess.run(
        [*run_with("--bounding-set=-net_bind_service"), *COMMAND, "serve", str(file)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (os.EX_NOPERM, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("wsgate: cannot listen on 0.0.0.0:80: not permitted; ports below 1024 need")
