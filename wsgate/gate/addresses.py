"""Checks the client's address against the ``addresses`` of a listener or a route.

The address is the one that socket, PROXY header and trusted proxies together show, so nobody gets in by a header of his
own.
"""

from __future__ import annotations

from ipaddress import ip_address

from wsgate.gate.client import Client
from wsgate.site.address_rules import AddressRules
from wsgate.wire.http import Refusal

DENIED = Refusal(403, "this address is not allowed", cause="address")


def is_denied(client: Client, rules: AddressRules | None) -> bool:
    """Whether a client is refused. ``rules``: of the listener or route; ``None`` if it lets everybody in"""
    if rules is None:
        return False
    return not rules.permit(ip_address(client.chain[0]) if client.chain else None)
