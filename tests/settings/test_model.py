import dataclasses
import ipaddress

import pytest

from wsgate.settings.model import (
    SCHEMES_PORT,
    Address,
    Listener,
    Log,
    LogFormat,
    Network,
    PathKind,
    PathPattern,
    Route,
    Settings,
    Target,
    TcpAddress,
    Timeouts,
    Tls,
    UnixAddress,
    WebSocketUrl,
    setting,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (TcpAddress("127.0.0.1", 80), "127.0.0.1:80"),
        (TcpAddress("::1", 80), "[::1]:80"),
        (UnixAddress("/run/a.sock"), "unix:/run/a.sock"),
        (Network(ipaddress.ip_network("10.0.0.0/8")), "10.0.0.0/8"),
        (Network(ipaddress.ip_network("2001:db8::/32")), "2001:db8::/32"),
        (Network(None), "unix"),
        (Target(TcpAddress("a.example", 5900)), "tcp://a.example:5900"),
        (Target(TcpAddress("::1", 5900), tls=True), "tls://[::1]:5900"),
        (Target(UnixAddress("/run/a.sock")), "unix:/run/a.sock"),
        (WebSocketUrl(TcpAddress("a.example", 80), None), "ws://a.example:80"),
        (WebSocketUrl(TcpAddress("::1", 9000), "/base"), "ws://[::1]:9000/base"),
        (WebSocketUrl(TcpAddress("a.example", 443), "/base", tls=True), "wss://a.example:443/base"),
        (PathPattern(PathKind.EXACT, "/x"), "/x"),
        (PathPattern(PathKind.PREFIX, "/x/"), "/x/*"),
        (PathPattern(PathKind.REGEX, "^/x$"), "~^/x$"),
    ],
)
def test_an_address_reads_as_in_the_file(value: object, text: str) -> None:
    assert str(value) == text


def test_a_key_has_its_documentation_and_its_default() -> None:
    assert {field.name: field.metadata["doc"] for field in dataclasses.fields(Log)}.keys() == {"format", "level"}
    assert Log() == Log(format=LogFormat.JSON)
    assert setting("A key.", required=True).metadata == {"doc": "A key.", "required": True}


@pytest.mark.parametrize(
    ("bind", "tls", "address"),
    [
        (TcpAddress("::1", SCHEMES_PORT), None, TcpAddress("::1", 80)),
        (TcpAddress("::1", SCHEMES_PORT), Tls(), TcpAddress("::1", 443)),
        (TcpAddress("::1", 0), Tls(), TcpAddress("::1", 0)),
        (UnixAddress("/run/a.sock"), None, UnixAddress("/run/a.sock")),
    ],
)
def test_a_bind_without_a_port_has_the_schemes(bind: Address, tls: Tls | None, address: Address) -> None:
    assert Listener(bind=bind, tls=tls).bind == address


def test_the_configuration_cannot_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Timeouts().connect = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("cls", [Settings, Route])
def test_what_has_no_default_must_be_given(cls: type) -> None:
    with pytest.raises(TypeError, match="missing"):
        cls()
