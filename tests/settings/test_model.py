import dataclasses

import pytest

from wsgate.settings.model import (
    Log,
    LogFormat,
    PathKind,
    PathPattern,
    Route,
    Settings,
    TcpAddress,
    Timeouts,
    UnixAddress,
    WebSocketUrl,
    key,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (TcpAddress("127.0.0.1", 80), "127.0.0.1:80"),
        (TcpAddress("::1", 80), "[::1]:80"),
        (UnixAddress("/run/a.sock"), "unix:/run/a.sock"),
        (WebSocketUrl(TcpAddress("a.example", 80), None), "ws://a.example:80"),
        (WebSocketUrl(TcpAddress("::1", 9000), "/base"), "ws://[::1]:9000/base"),
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
    assert key("A key.", required=True).metadata == {"doc": "A key.", "required": True}


def test_the_configuration_cannot_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Timeouts().connect = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("cls", [Settings, Route])
def test_what_has_no_default_must_be_given(cls: type) -> None:
    with pytest.raises(TypeError, match="missing"):
        cls()
