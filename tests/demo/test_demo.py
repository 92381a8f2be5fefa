"""``wsgate demo`` as its parts: the configuration that it runs and prints. ``e2e`` runs it whole."""

from __future__ import annotations

import socket
import textwrap
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from wsgate import app, demo
from wsgate.settings.load import loads
from wsgate.settings.model import Address, Files, LogFormat, Relay, Settings, TcpAddress, Tunnel


@dataclass
class Serving:
    """What the demo asked the composition root for."""

    settings: Settings
    ready: Callable[[list[Address]], None]
    beside: Sequence[Callable[[], Awaitable[None]]]


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    asked: list[Serving] = []

    def serve(settings: Settings, **more: object) -> int:
        asked.append(Serving(settings, **more))  # type: ignore[arg-type]
        return 7

    monkeypatch.setattr(app, "serve", serve)
    assert demo.run(TcpAddress("127.0.0.1", 8080)) == 7
    (found,) = asked
    yield found
    for task in found.beside:  # they were not started: close them here
        task.args[0].close()  # type: ignore[attr-defined]


def test_a_relay_a_tunnel_and_a_page(serving: Serving) -> None:
    settings = serving.settings
    assert [listener.bind for listener in settings.listeners] == [TcpAddress("127.0.0.1", 8080)]
    assert settings.log.format is LogFormat.TEXT
    echo, lines, page = (route.action for route in settings.routes)
    assert isinstance(echo, Relay)
    assert isinstance(lines, Tunnel)
    assert isinstance(page, Files)
    assert (Path(page.root) / "index.html").is_file()


def test_the_services_stand_where_the_routes_lead(serving: Serving) -> None:
    echo, lines, _ = (route.action for route in serving.settings.routes)
    assert isinstance(echo, Relay)
    assert isinstance(lines, Tunnel)
    assert len(serving.beside) == 2
    for address in (echo.to[0].address, lines.to[0].address):
        assert isinstance(address, TcpAddress)
        assert address.host == "127.0.0.1"
        socket.create_connection((address.host, address.port)).close()


def test_the_printed_configuration_is_the_one_that_runs(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    serving.ready([TcpAddress("127.0.0.1", 8080)])
    printed = capsys.readouterr().out
    assert "http://127.0.0.1:8080/ in a browser" in printed
    _, _, behind = printed.partition("wsgate serve FILE\n")
    configuration, _, _ = behind.partition("Every session's end")
    assert loads(textwrap.dedent(configuration), "printed.yaml") == serving.settings


def test_it_names_the_port_that_was_bound(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    serving.ready([TcpAddress("::1", 41234)])
    assert "http://[::1]:41234/" in capsys.readouterr().out
