from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wsgate.settings.draft import Broken
from wsgate.settings.meaning_relay import check_relay
from wsgate.settings.model import (
    Balance,
    HashKey,
    Health,
    Place,
    PlaceKind,
    Policy,
    Queue,
    Relay,
    RelayBackend,
    TcpAddress,
    WebSocketUrl,
)

TO = (RelayBackend(url=WebSocketUrl(TcpAddress("h", 1), None)),)


def faults(given: tuple[str, ...] = (), **more: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    check_relay(Relay(**{"to": TO, **more}), "r", lambda path, message: found.append((path, message)), _no_other, given)
    return found


def warnings(**more: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    check_relay(Relay(**{"to": TO, **more}), "r", _no_other, lambda path, message: found.append((path, message)), ())
    return found


def _no_other(path: str, message: str) -> None:
    raise AssertionError(f"{path}: {message}")


def test_what_is_right() -> None:
    assert faults() == []
    assert faults(("r.balance.hash",), balance=Balance(hash=HashKey(None))) == []
    for health in (Health(websocket="/"), Health(http="/"), Health(tcp=True)):
        assert faults(health=health) == []


def test_a_policy_and_a_hash() -> None:
    balance = Balance(policy=Policy.FIRST, hash=HashKey(None))
    ((path, message),) = faults(("r.balance.hash", "r.balance.policy"), balance=balance)
    assert (path, message) == ("r.balance", "has policy and hash: write one of them, hash is a policy itself")


def test_a_hash_and_a_cookie() -> None:
    balance = Balance(hash=HashKey(None), cookie="desk")
    ((path, message),) = faults(("r.balance.hash", "r.balance.cookie"), balance=balance)
    assert path == "r.balance"
    assert message.startswith("has hash and cookie: write one of them")


@pytest.mark.parametrize(
    ("health", "message"),
    [
        (Health(), "says nothing of how: write one of websocket, http, tcp"),
        (Health(websocket="/", tcp=True), "has websocket and tcp: write one of them"),
    ],
)
def test_one_way_of_checking(health: Health, message: str) -> None:
    assert faults(health=health) == [("r.health", message)]


@pytest.mark.parametrize(
    ("balance", "named"),
    [(Balance(), "first"), (Balance(hash=HashKey(None)), "hash")],
)
def test_slow_start_where_nobody_has_a_share(balance: Balance, named: str) -> None:
    ((path, message),) = warnings(balance=balance, health=Health(tcp=True, slow_start=30.0))
    assert path == "r.health.slow_start"
    assert message.startswith(f"it does nothing with balance: {named}, which does not choose by shares: write balance:")
    assert warnings(balance=balance, health=Health(tcp=True)) == []


@pytest.mark.parametrize("policy", [Policy.ROUND_ROBIN, Policy.RANDOM, Policy.LEAST_SESSIONS])
def test_slow_start_of_the_others(policy: Policy) -> None:
    assert warnings(balance=Balance(policy=policy), health=Health(tcp=True, slow_start=30.0)) == []


def test_socket_ios_own_parameter() -> None:
    ((path, message),) = warnings(balance=Balance(hash=HashKey(Place(PlaceKind.QUERY, "sid"))))
    assert path == "r.balance.hash"
    assert message.startswith("socket.io's first request has no sid, so the others may come to another backend: ")
    assert warnings(balance=Balance(hash=HashKey(Place(PlaceKind.QUERY, "client")))) == []


def test_a_queue_where_nobody_waits() -> None:
    ((path, message),) = warnings(queue=Queue())
    assert path == "r.queue"
    assert message.startswith("it does nothing: no backend has sessions, its cap")
    assert warnings(queue=Queue(), to_file="/etc/wsgate/backends") == []
    assert warnings(queue=Queue(), to=(replace(TO[0], sessions=5),)) == []
    assert warnings(queue=Queue(), to=Broken()) == []
    assert warnings(queue=Queue(), to=(Broken(),)) == []
