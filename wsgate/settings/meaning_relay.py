"""The second pass, meaning: how a relay chooses among its backends, and checks them."""

from __future__ import annotations

from collections.abc import Container

from wsgate.settings.draft import is_whole
from wsgate.settings.faults import ReportFault, ReportWarning
from wsgate.settings.model import Balance, HashKey, Health, Place, PlaceKind, Policy, Queue, Relay

_KINDS = ("websocket", "http", "tcp")


def check_relay(relay: Relay, path: str, fault: ReportFault, warn: ReportWarning, given: Container[str]) -> None:
    """Reports what is wrong with the relay at ``path``, other than its TLS."""
    if not relay.to and relay.to_file is None:
        fault(path, "leads nowhere: write to, with ws://host:port, or to_file, a file with backends")
    balance = f"{path}.balance"
    if f"{balance}.policy" in given and f"{balance}.hash" in given:
        fault(balance, "has policy and hash: write one of them, hash is a policy itself")
    if f"{balance}.cookie" in given and f"{balance}.hash" in given:
        fault(balance, "has hash and cookie: write one of them, both say which backend a client comes back to")
    if isinstance(relay.balance, Balance):
        _check_sid(relay.balance, f"{balance}.hash", warn)
    if f"{path}.rebalance" in given and relay.rebalance is not None and isinstance(relay.balance, Balance):
        _check_rebalance(relay.balance, f"{path}.rebalance", fault)
    if isinstance(relay.queue, Queue) and relay.to_file is None and not _may_be_full(relay):
        cure = "write sessions at a backend in to, or remove it"
        warn(f"{path}.queue", f"it does nothing: no backend has sessions, its cap, so each takes all that come: {cure}")
    if isinstance(relay.health, Health):
        written = [kind for kind in _KINDS if getattr(relay.health, kind) not in (None, False)]
        if not written:
            fault(f"{path}.health", f"says nothing of how: write one of {', '.join(_KINDS)}")
        elif len(written) > 1:
            fault(f"{path}.health", f"has {' and '.join(written)}: write one of them")
        if isinstance(relay.health.slow_start, float) and isinstance(relay.balance, Balance):
            _check_slow_start(relay.balance, f"{path}.health.slow_start", warn)


def _check_sid(balance: Balance, path: str, warn: ReportWarning) -> None:
    if balance.hash == HashKey(Place(PlaceKind.QUERY, "sid")):
        cure = "write balance: {policy: least_sessions, cookie: app}, or have clients send a value of their own"
        warn(path, f"socket.io's first request has no sid, so the others may come to another backend: {cure}")


def _check_rebalance(balance: Balance, path: str, fault: ReportFault) -> None:
    if balance.hash is not None or balance.cookie is not None:
        how = "hash" if balance.hash is not None else "cookie"
        fault(path, f"with balance: {how} a client comes back to the backend that it had: remove one of them")
    elif balance.policy is Policy.FIRST:
        cure = "write balance: round_robin, random or least_sessions"
        fault(path, f"with balance: first, the default, no backend has a share: {cure}, or remove it")


def _may_be_full(relay: Relay) -> bool:
    """Whether a backend may have no place; also if what the file says of it is wrong."""
    return not is_whole(relay.to) or any(each.sessions is not None for each in relay.to)


def _check_slow_start(balance: Balance, path: str, warn: ReportWarning) -> None:
    if balance.hash is not None or balance.policy is Policy.FIRST:
        policy = "hash" if balance.hash is not None else "first"
        cure = "write balance: round_robin, random or least_sessions, or remove it"
        warn(path, f"it does nothing with balance: {policy}, which does not choose by shares: {cure}")
