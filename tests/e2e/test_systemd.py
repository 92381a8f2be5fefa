"""The real process under a service manager: sockets that systemd-socket-activate opened, and what it is told."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.ops.manager import Manager
from tests.peers.heads import plain_request
from tests.peers.threads import Client
from tests.programs import find

from .gateway import ENVIRONMENT, write_config
from .gateway_process import LOG, GatewayProcess, launched

PAGE = {"name": "page", "respond": {"status": 200, "body": "it is served"}}


def next_of(manager: Manager, gateway: GatewayProcess) -> dict[str, str]:
    """The next notification that is no sign of life."""

    def probe() -> dict[str, str] | None:
        try:
            heard = manager.heard()
        except BlockingIOError:
            return None
        return None if "WATCHDOG" in heard else heard

    return gateway.wait_for(probe, "notification")


def connect(path: Path) -> Client | None:
    with contextlib.suppress(OSError):  # it is not open yet
        return Client(str(path))
    return None


@pytest.mark.needs("systemd-socket-activate")
@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_from_the_managers_socket_and_tells_it_what_it_does(tmp_path: Path, workers: int) -> None:
    activate = find("systemd-socket-activate")
    assert activate is not None
    opened = tmp_path / "web.sock"
    file = write_config(tmp_path, [PAGE], listeners=[{"bind": f"unix:{opened}"}], workers=workers)
    with Manager(str(tmp_path / "notify")) as manager:
        environment = {**ENVIRONMENT, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "60000000"}
        passed = [f"--setenv={name}={value}" for name, value in environment.items() if "\n" not in value]
        prefix = [activate, f"--listen={opened}", *passed]
        with launched(file, tmp_path / LOG, prefix=prefix) as gateway:
            # starts the gateway, and waits for it
            with gateway.wait_for(lambda: connect(opened), "socket of the manager") as client:
                client.send(plain_request("/"))
                assert client.read_head().status == 200
            assert next_of(manager, gateway) == {"READY": "1", "STATUS": "serving"}
            os.kill(gateway.pid, signal.SIGHUP)
            assert next_of(manager, gateway)["RELOADING"] == "1"
            assert next_of(manager, gateway)["READY"] == "1"
            assert gateway.stop() == 0
            assert "STOPPING=1" in manager.all_heard()
    assert opened.is_socket()  # the manager's, for the next one
