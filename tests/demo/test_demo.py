"""``wsgate demo`` as its parts: the configuration that it runs and prints. ``e2e`` runs it whole."""

from __future__ import annotations

import socket
import textwrap
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from wsgate import app, demo
from wsgate.net.binds import bound_address
from wsgate.ops.admin.page.files import FILES
from wsgate.settings.load import loads
from wsgate.settings.model import Address, Files, LogFormat, Redirect, Relay, Respond, Settings, TcpAddress, Tunnel


@dataclass
class Serving:
    """What the demo asked the composition root for."""

    settings: Settings
    ready: Callable[[list[Address]], None]
    beside: Sequence[Callable[[], Awaitable[None]]]
    admin: socket.socket

    def action(self, route: str) -> object:
        return next(each.action for each in self.settings.routes if each.name == route)


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
    found.admin.close()
    for task in found.beside:  # they were not started: close them here
        task.args[0].close()  # type: ignore[attr-defined]


def test_a_relay_a_tunnel_and_a_page(serving: Serving) -> None:
    settings = serving.settings
    assert [listener.bind for listener in settings.listeners] == [TcpAddress("127.0.0.1", 8080)]
    assert settings.log.format is LogFormat.TEXT
    page = serving.action("page")
    assert isinstance(serving.action("echo"), Relay)
    assert isinstance(serving.action("lines"), Tunnel)
    assert isinstance(page, Files)
    assert (Path(page.root) / "index.html").is_file()


def test_the_services_stand_where_the_routes_lead(serving: Serving) -> None:
    echo, lines = serving.action("echo"), serving.action("lines")
    assert isinstance(echo, Relay)
    assert isinstance(lines, Tunnel)
    assert len(serving.beside) == 2
    for address in (echo.to[0].address, lines.to[0].address):
        assert isinstance(address, TcpAddress)
        assert address.host == "127.0.0.1"
        socket.create_connection((address.host, address.port)).close()


def test_the_admin_page_is_where_the_link_leads(serving: Serving) -> None:
    address, link = bound_address(serving.admin), serving.action("admin")
    assert serving.settings.admin is not None
    assert serving.settings.admin.bind == address
    assert isinstance(link, Redirect)
    assert str(link.to) == f"http://{address}/"


def test_a_second_demo_has_its_admin_page_elsewhere(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another program has the usual port."""
    taken = bound_address(serving.admin)
    assert isinstance(taken, TcpAddress)
    monkeypatch.setattr(demo, "ADMIN_PORT", taken.port)
    with demo._open_admin() as other:
        assert bound_address(other) != taken


def printed(serving: Serving, capsys: pytest.CaptureFixture[str]) -> str:
    """The configuration that the demo prints when it is ready."""
    serving.ready([TcpAddress("127.0.0.1", 8080)])
    text = capsys.readouterr().out
    assert "http://127.0.0.1:8080/ in a browser" in text
    assert f"http://{bound_address(serving.admin)}/ beside it" in text
    _, _, behind = text.partition("wsgate serve FILE\n")
    configuration, _, _ = behind.partition("Every session's end")
    return textwrap.dedent(configuration).strip("\n") + "\n"


def test_the_printed_configuration_is_the_one_that_runs(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    """But for what only the demo's page needs."""
    routes = tuple(each for each in serving.settings.routes if each.name not in ("admin", "configuration"))
    assert loads(printed(serving, capsys), "printed.yaml") == replace(serving.settings, routes=routes)


def test_the_page_copies_the_printed_configuration(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    answer = serving.action("configuration")
    assert isinstance(answer, Respond)
    assert str(answer.body) == printed(serving, capsys)


def test_the_pages_have_the_same_colours() -> None:
    """Each is served from its own directory, so each has the file."""
    site = Path(demo.__file__).parent / "site"
    for name in ("base.css", "icon.svg"):
        assert FILES[f"/page/{name}"][1] == (site / name).read_bytes(), name


def test_it_names_the_port_that_was_bound(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    serving.ready([TcpAddress("::1", 41234)])
    assert "http://[::1]:41234/" in capsys.readouterr().out
