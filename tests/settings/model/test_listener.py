import pytest

from wsgate.settings.model import SCHEMES_PORT, Address, TcpAddress, UnixAddress
from wsgate.settings.model.listener import Listener
from wsgate.settings.model.tls import Tls


@pytest.mark.parametrize(
    ("bind", "tls", "address"),
    [
        (TcpAddress("::1", SCHEMES_PORT), None, TcpAddress("::1", 80)),
        (TcpAddress("::1", SCHEMES_PORT), Tls(), TcpAddress("::1", 443)),
        (TcpAddress("::1", 0), Tls(), TcpAddress("::1", 0)),
        (UnixAddress("/run/a.sock"), None, UnixAddress("/run/a.sock")),
    ],
)
def test_a_bind_without_a_port_has_the_schemes(bind: Address, tls: Tls | None, address: Address) -> None:
    assert Listener(bind=bind, tls=tls).bind == address
