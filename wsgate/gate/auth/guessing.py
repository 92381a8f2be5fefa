"""Slows those who guess passwords or keys: an address with many wrong ones waits for its answers."""

from __future__ import annotations

import trio

from wsgate.gate.exchange import Exchange
from wsgate.gate.gateway import Gateway
from wsgate.gate.refusals import RETRY_AFTER
from wsgate.site.hashing import hashing, network
from wsgate.wire.http import Refusal


def source_of(exchange: Exchange) -> str:
    """Returns what wrong ones are counted for: the client's address, an IPv6 address with all of its /64."""
    chain = exchange.client.chain
    return network(chain[0]) if chain else "unix"


def busy_refusal(what: str) -> Refusal:
    """Returns the refusal for an address from which too much comes to be checked. ``what``: ``passwords``"""
    detail = f"not checked: too many {what} come from this address"
    return Refusal(429, f"too many {what} are tried from here: try again", RETRY_AFTER, detail=detail, cause="busy")


async def delay(gateway: Gateway, address: str) -> bool:
    """Delays the answer to an address that has guessed. Returns whether it has.

    There is no delay while the process stops, and it ends if other connections need the descriptor.
    """
    with hashing().delay(address) as seconds, trio.CancelScope() as scope:
        if seconds and not gateway.draining:
            gateway.idle.add(scope)
            try:
                with gateway.silent.waiting(scope, address):
                    await trio.sleep(seconds)
            finally:
                gateway.idle.discard(scope)
    return seconds > 0
