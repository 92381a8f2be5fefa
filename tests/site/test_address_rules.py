from ipaddress import ip_address

import pytest

from wsgate.settings.addresses import network
from wsgate.settings.model import Addresses
from wsgate.site.address_rules import rules_for


def test_no_rules() -> None:
    assert rules_for(None) is None


@pytest.mark.parametrize(
    ("allow", "deny", "ip", "permitted"),
    [
        ("10.0.0.0/8", "", "10.1.2.3", True),
        ("10.0.0.0/8", "", "192.0.2.1", False),
        ("10.0.0.0/8", "", "", False),
        ("10.0.0.0/8 unix", "", "", True),
        ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", False),
        ("10.1.2.3", "10.0.0.0/8", "10.1.2.3", False),  # deny wins, whichever is narrower
        ("", "10.0.0.0/8", "10.1.2.3", False),
        ("", "10.0.0.0/8", "192.0.2.1", True),
        ("", "10.0.0.0/8", "", True),
        ("", "unix", "", False),
    ],
)
def test_who_is_let_in(allow: str, deny: str, ip: str, permitted: bool) -> None:
    rules = rules_for(Addresses(allow=tuple(map(network, allow.split())), deny=tuple(map(network, deny.split()))))
    assert rules is not None
    assert rules.permit(ip_address(ip) if ip else None) is permitted
