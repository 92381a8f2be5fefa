from __future__ import annotations

from typing import Any

import pytest

from wsgate.settings.draft import Broken
from wsgate.settings.meaning_admin import check_admin, check_states
from wsgate.settings.model import (
    Address,
    Admin,
    AdminMetrics,
    AdminTap,
    AdminToken,
    Health,
    Relay,
    RelayBackend,
    Respond,
    Route,
    State,
    StateAnswer,
    TcpAddress,
    UnixAddress,
    WebSocketUrl,
)

TO = (RelayBackend(url=WebSocketUrl(TcpAddress("h", 1), None)),)
ROUTES: list[tuple[int, Any]] = [
    (0, Route(name="checked", action=Relay(to=TO, health=Health(tcp=True)))),
    (1, Route(name="unchecked", action=Relay(to=TO))),
    (2, Route(name="fixed", action=Respond())),
]
LOCAL = TcpAddress("127.0.0.1", 9600)
TOKEN = AdminToken(file="/t")


def faults(routes: list[tuple[int, Any]] = ROUTES, **admin: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    check_admin(Admin(**{"bind": LOCAL, **admin}), routes, found.__setitem__)
    return found


def test_what_is_right() -> None:
    assert faults(backends=("checked",)) == {}
    assert faults(bind=UnixAddress("/run/a.sock"), mode=0o600) == {}
    assert faults(bind=TcpAddress("10.0.0.1", 9600), token=TOKEN, metrics=AdminMetrics.TOKEN) == {}
    for host in ("localhost", "::1", "127.0.0.2"):
        assert faults(bind=TcpAddress(host, 1)) == {}
    check_admin(None, ROUTES, lambda path, message: pytest.fail(message))


def test_a_mode_and_an_address() -> None:
    message = "only a Unix socket has a mode, and 127.0.0.1:9600 is none: remove it"
    assert faults(mode=0o600) == {"admin.mode": message}


@pytest.mark.parametrize("bind", [TcpAddress("0.0.0.0", 1), TcpAddress("::", 1), TcpAddress("gw.example", 1)])
def test_an_address_that_others_reach_needs_a_token(bind: Address) -> None:
    cure = "write token, or bind 127.0.0.1 or a Unix socket"
    assert faults(bind=bind) == {"admin.bind": f"others can reach {bind}: {cure}"}


def test_a_token_that_is_asked_for_must_be_there() -> None:
    message = "there is no token to ask for: write token, or remove this"
    assert faults(metrics=AdminMetrics.TOKEN) == {"admin.metrics": message}


def test_backends_are_those_of_checked_relays() -> None:
    assert faults(backends=("checked", "unchecked", "fixed", "other")) == {
        "admin.backends[1]": "nobody checks the backends of unchecked: write health under its relay",
        "admin.backends[2]": "only relay has backends that are checked, and fixed is none: remove it",
        "admin.backends[3]": "no route has the name other: correct it, or remove it",
    }


def test_what_is_broken_is_no_second_fault() -> None:
    assert faults(bind=Broken(), mode=Broken(), token=Broken(), metrics=Broken(), backends=Broken()) == {}
    assert faults(backends=(Broken(),)) == {}
    assert faults([(0, Route(name=Broken(), action=Respond()))], backends=("other",)) == {}  # type: ignore[arg-type]
    assert faults([(0, Route(name="other", action=Broken()))], backends=("other",)) == {}  # type: ignore[arg-type]


def test_the_backends_of_a_state() -> None:
    states = [
        (3, Route(name="a", action=State(backends=("checked", "gone")))),
        (4, Route(name="b", action=State(answer=StateAnswer.ALIVE, backends=("checked",)))),
        (5, Route(name="c", action=State(answer=Broken(), backends=Broken()))),  # type: ignore[arg-type]
        (6, Route(name="d", action=State(answer=StateAnswer.ALIVE))),
    ]
    found: dict[str, str] = {}
    check_states([*ROUTES, *states], found.__setitem__, {"routes[4].state.backends"})
    alive = "what is alive does not depend on backends: remove it, or write answer: ready"
    assert found == {
        "routes[3].state.backends[1]": "no route has the name gone: correct it, or remove it",
        "routes[4].state.backends": alive,
    }


def test_payloads_are_not_for_every_program_of_the_machine() -> None:
    cure = "every program that reaches 127.0.0.1:9600 could read what clients send: write token, or bind a Unix socket"
    assert faults(tap=AdminTap.PAYLOAD) == {"admin.tap": cure}
    assert faults(tap=AdminTap.PAYLOAD, token=TOKEN) == {}
    assert faults(tap=AdminTap.PAYLOAD, bind=UnixAddress("/run/a.sock")) == {}
    for tap in AdminTap.FRAMES, AdminTap.OFF:
        assert faults(tap=tap) == {}
