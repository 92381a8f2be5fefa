import ipaddress

import pytest

from wsgate.settings import model, values
from wsgate.settings.model import (
    EntryPoint,
    Network,
    PathKind,
    PathPattern,
    Place,
    PlaceKind,
    Target,
    TcpAddress,
    TokenUrl,
    UnixAddress,
    WebSocketUrl,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (TcpAddress("127.0.0.1", 80), "127.0.0.1:80"),
        (TcpAddress("::1", 80), "[::1]:80"),
        (UnixAddress("/run/a.sock"), "unix:/run/a.sock"),
        (Network(ipaddress.ip_network("10.0.0.0/8")), "10.0.0.0/8"),
        (Network(ipaddress.ip_network("2001:db8::/32")), "2001:db8::/32"),
        (Network(None), "unix"),
        (Target(TcpAddress("a.example", 5900)), "tcp://a.example:5900"),
        (Target(TcpAddress("::1", 5900), tls=True), "tls://[::1]:5900"),
        (Target(UnixAddress("/run/a.sock")), "unix:/run/a.sock"),
        (WebSocketUrl(TcpAddress("a.example", 80), None), "ws://a.example:80"),
        (WebSocketUrl(TcpAddress("::1", 9000), "/base"), "ws://[::1]:9000/base"),
        (WebSocketUrl(TcpAddress("a.example", 443), "/base", tls=True), "wss://a.example:443/base"),
        (Place(PlaceKind.QUERY, "token"), "query:token"),
        (Place(PlaceKind.HOST), "host"),
        (EntryPoint("vault.tokens", "Lookup"), "vault.tokens:Lookup"),
        (TokenUrl(False, TcpAddress("::1", 80), "/{token}"), "http://[::1]:80/{token}"),
        (TokenUrl(True, TcpAddress("a.example", 443), "/?t={token}"), "https://a.example:443/?t={token}"),
        (PathPattern(PathKind.EXACT, "/x"), "/x"),
        (PathPattern(PathKind.PREFIX, "/x/"), "/x/*"),
        (PathPattern(PathKind.REGEX, "^/x$"), "~^/x$"),
    ],
)
def test_a_value_reads_as_in_the_file(value: object, text: str) -> None:
    assert str(value) == text


def test_the_model_has_all_values() -> None:
    for name, value in vars(values).items():
        if not name.startswith("_") and name != "annotations":
            assert getattr(model, name) is value
