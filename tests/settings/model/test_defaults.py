import dataclasses

import pytest

from wsgate.settings.model.answers import Respond
from wsgate.settings.model.defaults import Defaults, Heartbeat, RouteLimits, Timeouts
from wsgate.settings.model.route import Route


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Timeouts().connect = 1.0  # type: ignore[misc]


def test_a_route_has_the_same_without_defaults() -> None:
    route = Route(name="a", action=Respond())
    assert Defaults() == Defaults(heartbeat=route.heartbeat, timeouts=route.timeouts, limits=route.limits)
    assert Defaults() == Defaults(heartbeat=Heartbeat(), timeouts=Timeouts(), limits=RouteLimits())
