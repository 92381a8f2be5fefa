import dataclasses

import pytest

from wsgate.settings.model import LogFormat
from wsgate.settings.model.settings import Log, Settings


def test_listeners_and_routes_must_be_given() -> None:
    with pytest.raises(TypeError, match="'listeners' and 'routes'"):
        Settings()


def test_what_the_file_says_besides_keys_makes_no_difference() -> None:
    settings = Settings(listeners=(), routes=())
    assert settings == dataclasses.replace(settings, from_environment={"routes[0].name": "${NAME}"})


def test_the_log_is_for_machines_unless_told() -> None:
    assert Log() == Log(format=LogFormat.JSON)
