"""The composition root, run in this process; ``e2e`` runs it in one of its own."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from wsgate import app
from wsgate.app import serve
from wsgate.gate.gateway import Gateway
from wsgate.ops import lifecycle, reserved
from wsgate.ops.listeners import ListenError
from wsgate.relay import fast_path
from wsgate.settings.draft import Draft
from wsgate.settings.model import (
    Address,
    Limits,
    Listener,
    Log,
    LogLevel,
    Route,
    Settings,
    Target,
    TcpAddress,
    Tunnel,
    UnixAddress,
)
from wsgate.settings.problem import Problem

ANYWHERE = TcpAddress("127.0.0.1", 0)


def settings(*binds: Address, level: LogLevel = LogLevel.INFO, **more: Any) -> Settings:
    route = Route(name="t", action=Tunnel(to=(Target(UnixAddress("/nonexistent/service.sock")),)))
    listeners = tuple(Listener(bind=bind) for bind in binds)
    return Settings(listeners=listeners, routes=(route,), log=Log(level=level), **more)


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """The root logger is the process's, and so this test's for a while."""
    root, logger = logging.getLogger(), logging.getLogger("wsgate")
    before = (root.handlers, root.level, logger.level)
    yield
    root.handlers, root.level = before[:2]
    logger.setLevel(before[2])


def stop(bound: list[Address]) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def events(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """The log's events; every line of it is JSON. Without "kernel", which is only there if a part in C is not."""
    return [event for event in all_events(capfd) if event != "kernel"]


def all_events(capfd: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capfd.readouterr()
    assert out == ""
    return [json.loads(line)["event"] for line in err.splitlines()]


def test_the_log_may_go_elsewhere(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with open(tmp_path / "log", "w+") as log:
        assert serve(settings(ANYWHERE), ready=stop, log=log) == 0
    assert [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()][-1] == "stopped"
    assert capfd.readouterr() == ("", "")


def test_warnings_of_the_file_are_logged_once(capfd: pytest.CaptureFixture[str]) -> None:
    warning = Problem("wsgate.yaml", 3, 5, "routes[0]", "is odd: write another", is_warning=True)
    assert serve(Draft(settings(ANYWHERE), warnings=[warning]), ready=stop) == 0
    found = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    said = [line for line in found if line["event"] == "configuration warning"]
    assert [(line["level"], line["problem"]) for line in said] == [("warning", str(warning))]


def test_from_the_first_line_to_the_last(capfd: pytest.CaptureFixture[str]) -> None:
    ready: list[Address] = []

    def stop_when_reached(bound: list[Address]) -> None:
        ready.extend(bound)
        for address in bound:
            assert isinstance(address, TcpAddress)
            socket.create_connection((address.host, address.port)).close()
        stop(bound)

    assert serve(settings(ANYWHERE, ANYWHERE), ready=stop_when_reached) == 0
    assert len({str(address) for address in ready}) == 2
    assert events(capfd) == ["listening", "listening", "ready", "draining", "stopped"]


def test_what_it_runs_on_is_said_at_level_debug(capfd: pytest.CaptureFixture[str]) -> None:
    assert serve(settings(ANYWHERE, level=LogLevel.DEBUG), ready=stop) == 0
    assert all_events(capfd)[:2] == ["kernel", "descriptors"]


@pytest.mark.parametrize("full_speed", [True, False])
def test_parts_in_c_that_are_not_in_use_are_said_once_at_info(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, full_speed: bool
) -> None:
    monkeypatch.setattr(fast_path, "FULL_SPEED", full_speed)
    assert serve(settings(ANYWHERE), ready=stop) == 0
    assert all_events(capfd).count("kernel") == (0 if full_speed else 1)


def test_what_runs_beside_it_ends_with_it() -> None:
    ran: list[str] = []

    async def beside() -> None:
        ran.append("began")
        try:
            await trio.sleep_forever()
        finally:
            ran.append("ended")

    assert serve(settings(ANYWHERE), ready=stop, beside=[beside, beside]) == 0
    assert sorted(ran) == ["began", "began", "ended", "ended"]


def test_a_listener_that_cannot_be_opened(capfd: pytest.CaptureFixture[str]) -> None:
    """One line for the operator, and nothing runs."""

    def fail(bound: list[Address]) -> None:
        raise AssertionError("it is not ready")

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = TcpAddress("127.0.0.1", other.getsockname()[1])
        assert serve(settings(ANYWHERE, taken), ready=fail, beside=[trio.sleep_forever]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = [line for line in err.splitlines() if '"kernel"' not in line]  # which parts in C there are
    assert line.startswith(f"wsgate: cannot listen on {taken}: the address is in use")


# -- workers -----------------------------------------------------------------------------------------------------------


def test_workers_serve(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The parent accepts nothing, so every answer is a worker's."""
    path = tmp_path / "s"
    answers: list[bytes] = []

    def ask(bound: list[Address]) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answers.append(client.recv(4096))
        stop(bound)

    assert serve(settings(UnixAddress(str(path)), workers=2), ready=ask) == 0
    assert answers[0].startswith(b"HTTP/1.1 426 ")
    said = events(capfd)
    of_workers = {"refused", "draining"}  # the lines of different processes have no order among themselves
    assert of_workers <= set(said)
    assert [event for event in said if event not in of_workers] == ["listening", "ready", "stopped"]
    assert not path.exists()


def test_workers_that_cannot_listen(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What their parent could reserve."""

    def refuse(listener: Listener, reserved: socket.socket) -> socket.socket:
        raise ListenError("cannot listen: forbidden", 77)

    monkeypatch.setattr(reserved, "open_reserved", refuse)
    assert serve(settings(ANYWHERE, workers=3)) == 77
    out, err = capfd.readouterr()
    assert (out, err.splitlines()[-1]) == ("", "wsgate: cannot listen: forbidden")


def test_what_runs_beside_it_runs_in_one_process() -> None:
    processes: list[int] = []

    async def beside() -> None:
        processes.append(os.getpid())
        await trio.sleep_forever()

    assert serve(settings(ANYWHERE, workers=4), ready=stop, beside=[beside]) == 0
    assert processes == [os.getpid()]


def test_handshakes_are_shared_out(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    really = lifecycle.run

    async def run(gateway: Gateway, *arguments: Any, **more: Any) -> int:
        os.write(2, b'{"event": "%d of %d"}\n' % (gateway.handshake_limiter.limit, gateway.workers))
        return await really(gateway, *arguments, **more)

    monkeypatch.setattr(app, "run", run)
    assert serve(settings(ANYWHERE, workers=3, limits=Limits(handshakes=10)), ready=stop) == 0
    assert events(capfd).count("4 of 3") == 3


async def test_signs_of_life(autojump_clock: MockClock) -> None:
    times: list[float] = []
    with trio.move_on_after(10):
        await app._repeat(lambda: times.append(trio.current_time()), 2.5)
    assert [time - times[0] for time in times] == [0, 2.5, 5, 7.5]
