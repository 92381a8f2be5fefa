from __future__ import annotations

from dataclasses import replace

import pytest

from tests.commands.admin import answering
from tests.commands.top import session, snapshot
from wsgate.commands.admin_client import AdminClient
from wsgate.commands.snapshot import Rates
from wsgate.commands.top_asking import ask_gateway
from wsgate.commands.top_orders import MOST


def test_what_is_asked() -> None:
    answers = [snapshot(1.0).sessions, snapshot(1.0).backends, snapshot(1.0).status]
    with answering(*((200, answer) for answer in answers)) as api:
        found = ask_gateway(AdminClient(api.address), {"route": "chat", "q": "a"}, clock=lambda: 1.0)(MOST)
    assert found == snapshot(1.0)
    assert [target for _, target, _, _ in api.requests] == [
        "/api/v1/sessions?route=chat&q=a&sort=-bytes_down&limit=1000",
        "/api/v1/backends?route=chat",
        "/api/v1/status",
    ]


@pytest.mark.parametrize(
    ("points", "moved"), [([], None), ([[1.0, 9, 9, 9, 9, 9], [6.0, 5000, 1, 2.5, 3, 4]], Rates(1, 2.5, 3, 4))]
)
def test_of_more_sessions_than_are_listed_the_history_says_what_all_move(
    points: list[list[float]], moved: Rates | None
) -> None:
    now = snapshot(1.0, session(), total=5000)
    answers = [now.sessions, {"interval": 5.0, "points": points}, now.backends, now.status]
    with answering(*((200, answer) for answer in answers)) as api:
        found = ask_gateway(AdminClient(api.address), {}, clock=lambda: 1.0)(MOST)
    assert found == replace(now, moved=moved)
    assert api.requests[1][1] == "/api/v1/history"
