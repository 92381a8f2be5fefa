"""The composition root, run in this process; ``e2e`` runs it in one of its own."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from collections.abc import Iterator

import pytest
import trio

from wsgate.app import serve
from wsgate.settings.model import Address, Listener, Log, LogLevel, Route, Settings, TcpAddress, Tunnel, UnixAddress

ANYWHERE = TcpAddress("127.0.0.1", 0)


def settings(*binds: Address, level: LogLevel = LogLevel.INFO) -> Settings:
    route = Route(name="t", action=Tunnel(to=(UnixAddress("/nonexistent/service.sock"),)))
    return Settings(listeners=tuple(Listener(bind=bind) for bind in binds), routes=(route,), log=Log(level=level))


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


def events(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The log's events; every line of it is JSON."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line)["event"] for line in err.splitlines()]


def test_from_the_first_line_to_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    ready: list[Address] = []

    def stop_when_reached(bound: list[Address]) -> None:
        ready.extend(bound)
        for address in bound:
            assert isinstance(address, TcpAddress)
            socket.create_connection((address.host, address.port)).close()
        stop(bound)

    assert serve(settings(ANYWHERE, ANYWHERE), ready=stop_when_reached) == 0
    assert len({str(address) for address in ready}) == 2
    assert events(capsys) == ["listening", "listening", "ready", "draining", "stopped"]


def test_what_it_runs_on_is_said_at_level_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(settings(ANYWHERE, level=LogLevel.DEBUG), ready=stop) == 0
    assert events(capsys)[0] == "kernel"


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


def test_a_listener_that_cannot_be_opened(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for the person who started it, and nothing runs."""

    def fail(bound: list[Address]) -> None:
        raise AssertionError("it is not ready")

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = TcpAddress("127.0.0.1", other.getsockname()[1])
        assert serve(settings(ANYWHERE, taken), ready=fail, beside=[trio.sleep_forever]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"wsgate: cannot listen on {taken}: the address is in use")
