import dataclasses

import pytest

from wsgate.settings.model import (
    SCHEMES_PORT,
    Address,
    Listener,
    Log,
    LogFormat,
    Route,
    Settings,
    TcpAddress,
    Timeouts,
    Tls,
    UnixAddress,
    setting,
)


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
