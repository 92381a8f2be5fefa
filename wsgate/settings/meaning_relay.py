"""The second pass, meaning: how a relay chooses among its backends, and checks them."""

from __future__ import annotations

from collections.abc import Container

from wsgate.settings.faults import Fault
from wsgate.settings.model import Health, Relay

_KINDS = ("websocket", "http", "tcp")


def check_relay(relay: Relay, path: str, fault: Fault, given: Container[str]) -> None:
    """Reports what is wrong with the relay at ``path``, other than its TLS."""
    balance = f"{path}.balance"
    if f"{balance}.policy" in given and f"{balance}.hash" in given:
        fault(balance, "has policy and hash: write one of them, hash is a policy itself")
    if f"{balance}.cookie" in given and f"{balance}.hash" in given:
        fault(balance, "has hash and cookie: write one of them, both say which backend a client comes back to")
    if isinstance(relay.health, Health):
        written = [kind for kind in _KINDS if getattr(relay.health, kind) not in (None, False)]
        if not written:
            fault(f"{path}.health", f"says nothing of how: write one of {', '.join(_KINDS)}")
        elif len(written) > 1:
            fault(f"{path}.health", f"has {' and '.join(written)}: write one of them")
