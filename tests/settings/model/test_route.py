import pytest

from wsgate.settings.model.answers import Respond
from wsgate.settings.model.route import Match, Route


def test_a_route_takes_every_request_unless_told() -> None:
    assert Route(name="all", action=Respond()).match == Match()


def test_a_route_needs_a_name_and_an_action() -> None:
    with pytest.raises(TypeError, match="'name' and 'action'"):
        Route()  # type: ignore[call-arg]
