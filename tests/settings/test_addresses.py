import ipaddress

import pytest

from wsgate.settings.addresses import (
    backend_url,
    bind_address,
    collector_url,
    host_name,
    host_pattern,
    network,
    tunnel_target,
)
from wsgate.settings.model import SCHEMES_PORT, Network, Target, TcpAddress, UnixAddress, WebSocketUrl
from wsgate.text.error import TextError

LONG_LABEL = "a" * 63
LONG_NAME = ".".join([LONG_LABEL] * 3 + ["a" * 61])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", TcpAddress("127.0.0.1", 8080)),
        ("0.0.0.0:0", TcpAddress("0.0.0.0", 0)),
        ("[::]:65535", TcpAddress("::", 65535)),
        ("[0:0:0:0:0:0:0:1]:80", TcpAddress("::1", 80)),
        ("[2001:DB8::1]:80", TcpAddress("2001:db8::1", 80)),
        ("LocalHost:080", TcpAddress("localhost", 80)),
        ("my_service-1:80", TcpAddress("my_service-1", 80)),
        ("gate.example.:80", TcpAddress("gate.example.", 80)),
        ("1.example:80", TcpAddress("1.example", 80)),
        ("x:80", TcpAddress("x", 80)),
        ("X", TcpAddress("x", SCHEMES_PORT)),
        ("127.0.0.1", TcpAddress("127.0.0.1", SCHEMES_PORT)),
        ("[::]", TcpAddress("::", SCHEMES_PORT)),
        (f"{LONG_NAME}:80", TcpAddress(LONG_NAME, 80)),
        ("unix:/run/wsgate.sock", UnixAddress("/run/wsgate.sock")),
        ("unix:/run/ü.sock", UnixAddress("/run/ü.sock")),
        ("unix:/" + "x" * 106, UnixAddress("/" + "x" * 106)),
    ],
)
def test_bind_addresses(text: str, address: object) -> None:
    assert bind_address(text) == address


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (":80", "':80' names no address: write 0.0.0.0:80 or '[::]:80' for all of them"),
        ("*:80", "'*:80' names no address: write 0.0.0.0:80 or '[::]:80' for all of them"),
        ("80", "'80' is a port alone: write 127.0.0.1:80 or 0.0.0.0:80"),
        ("::", "'::' is IPv6 without brackets: write '[::]', or with a port '[::]:8080'"),
        ("tcp://x:80", "'tcp://x:80' has a scheme: leave tcp:// out, write host:port"),
        ("::1:80", "'::1:80' is IPv6 without brackets: write '[::1]:80'"),
        ("[::1]80", "'[::1]80' is not an address: with brackets it is '[::1]:8080'"),
        ("[1.2.3.4]:80", "'1.2.3.4' is not an IPv6 address"),
        ("[fe80::1%eth0]:80", "'fe80::1%eth0' has a zone: only addresses without one can be used"),
        ("x:65536", "'65536' is not a port: a port is a number from 0 to 65535"),
        ("x:000080", "'000080' is not a port: a port is a number from 0 to 65535"),
        ("x:٣", "'٣' is not a port: a port is a number from 0 to 65535"),
        ("x:", "'' is not a port: a port is a number from 0 to 65535"),
        ("", "the host is missing"),
        ("a..b:80", "'a..b' is not a host name"),
        ("-a:80", "'-a' is not a host name"),
        ("a-:80", "'a-' is not a host name"),
        ("a/b:80", "'a/b' is not a host name"),
        ("é:80", "'é' is not ASCII: write an international name in its xn-- form"),
        (f"{LONG_LABEL}a:80", f"'{LONG_LABEL}a' is not a host name"),
        ("256.0.0.1:80", "'256.0.0.1' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("127.1:80", "'127.1' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("010.0.0.1:80", "'010.0.0.1' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("127.0.0.1.:80", "'127.0.0.1.' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("0x7f:80", "'0x7f' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("0x7f.0.0.0X1:80", "'0x7f.0.0.0X1' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("a.0x:80", "'a.0x' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("2130706433:80", "'2130706433' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("0177.1:80", "'0177.1' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("unix:a", "'unix:a' is not unix: and the absolute path of a socket: write unix:/a"),
        ("unix:", "'unix:' is not unix: and the absolute path of a socket: write unix:/run/wsgate.sock"),
        ("unix:///", "'unix:///' is not unix: and the absolute path of a socket: write unix:/run/wsgate.sock"),
        ("unix:/a/", "'unix:/a/' is not unix: and the absolute path of a socket: write unix:/a"),
        ("unix://a", "'unix://a' is not unix: and the absolute path of a socket: write unix:/a"),
        ("unix:/a\0b", r"'unix:/a\x00b' has a zero byte in it"),
        ("unix:/" + "x" * 107, "the path is 108 bytes long; a Unix socket's has 107 at most"),
        ("unix:/" + "é" * 54, "the path is 109 bytes long; a Unix socket's has 107 at most"),
    ],
)
def test_other_texts_are_no_bind_address(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        bind_address(text)
    assert str(caught.value) == message


def test_a_name_of_more_than_253_characters_is_refused() -> None:
    with pytest.raises(TextError, match="is not a host name"):
        bind_address(f"a{LONG_NAME}:80")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("tcp://127.0.0.1:5900", Target(TcpAddress("127.0.0.1", 5900))),
        ("tcp://[::1]:5900", Target(TcpAddress("::1", 5900))),
        ("tcp://Desktop:1", Target(TcpAddress("desktop", 1))),
        ("tls://Desktop:1", Target(TcpAddress("desktop", 1), tls=True)),
        ("tls://[::1]:5900", Target(TcpAddress("::1", 5900), tls=True)),
        ("unix:/run/vnc.sock", Target(UnixAddress("/run/vnc.sock"))),
    ],
)
def test_tunnel_targets(text: str, target: Target) -> None:
    assert tunnel_target(text) == target


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x:1", "'x:1' has no scheme: write tcp://x:1"),
        ("5900", "'5900' has no scheme: write tcp://127.0.0.1:5900"),
        ("x", "'x' has no scheme: write tcp://host:port, tls://host:port or unix:/path"),
        ("ws://x:1", "'ws://x:1' is a WebSocket: put it under relay, a tunnel leads to tcp://host:port"),
        ("wss://x:1", "'wss://x:1' is a WebSocket: put it under relay, a tunnel leads to tcp://host:port"),
        ("http://x:1", "unknown scheme 'http://': write tcp://host:port, tls://host:port or unix:/path"),
        ("tcp://x", "'tcp://x' has no port: write tcp://x:5900"),
        ("tls://x", "'tls://x' has no port: write tls://x:5900"),
        ("tls://x:1/a", "'tls://x:1/a' has more than a host and a port: write tls://host:port"),
        ("tcp://x:0", "'0' is not a port: a port is a number from 1 to 65535"),
        ("tcp://:1", "the host is missing"),
        ("tcp://x:1/", "'tcp://x:1/' has more than a host and a port: write tcp://host:port"),
        ("tcp://x:1?a", "'tcp://x:1?a' has more than a host and a port: write tcp://host:port"),
        ("tcp://me:pw@x:1", "a target cannot hold a user or password: remove all up to '@'"),
        ("unix:a", "'unix:a' is not unix: and the absolute path of a socket: write unix:/a"),
    ],
)
def test_other_texts_are_no_tunnel_target(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        tunnel_target(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("ws://127.0.0.1", "127.0.0.1", 80, None),
        ("wss://127.0.0.1", "127.0.0.1", 443, None),
        ("wss://127.0.0.1:80/a", "127.0.0.1", 80, "/a"),
        ("wss://[::1]/", "::1", 443, "/"),
        ("ws://127.0.0.1:9000", "127.0.0.1", 9000, None),
        ("ws://127.0.0.1:9000/", "127.0.0.1", 9000, "/"),
        ("ws://[::1]", "::1", 80, None),
        ("ws://[::1]:9000/a/b", "::1", 9000, "/a/b"),
        ("ws://App.example/Chat", "app.example", 80, "/Chat"),
        ("ws://x/%C3%A9;a=b,c@d:e//~", "x", 80, "/%C3%A9;a=b,c@d:e//~"),
    ],
)
def test_backend_urls(text: str, host: str, port: int, path: str | None) -> None:
    assert backend_url(text) == WebSocketUrl(TcpAddress(host, port), path, tls=text.startswith("wss"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x:1", "'x:1' has no scheme: write ws://x:1"),
        ("9000", "'9000' has no scheme: write ws://127.0.0.1:9000"),
        ("x", "'x' has no scheme: write ws://host:port or wss://host:port"),
        ("https://x/y", "unknown scheme 'https://': write wss://x/y"),
        ("ftp://x", "unknown scheme 'ftp://': write ws://host:port or wss://host:port"),
        ("tls://x:1", "'tls://x:1' is not a WebSocket: put it under tunnel, a relay leads to ws://host:port"),
        ("tcp://x:1", "'tcp://x:1' is not a WebSocket: put it under tunnel, a relay leads to ws://host:port"),
        ("http://x", "unknown scheme 'http://': write ws://x"),
        ("wss://", "the host is missing"),
        ("ws://", "the host is missing"),
        ("ws:///a", "the host is missing"),
        ("ws://x:0", "'0' is not a port: a port is a number from 1 to 65535"),
        ("ws://x:", "'' is not a port: a port is a number from 1 to 65535"),
        ("ws://x/#a", "'ws://x/#a' has a fragment, which a WebSocket URL cannot have: remove it from '#' on"),
        ("ws://x?a", "'ws://x?a' has a query: remove it from '?' on, the query of each request is kept"),
        ("ws://x/a b", "'/a b' is not a URL path: percent-encode what is not a letter, digit or one of -._~/"),
        ("ws://x/%z1", "'/%z1' is not a URL path: percent-encode what is not a letter, digit or one of -._~/"),
        ("ws://::1/", "'::1' has more than one colon: write an IPv6 address in brackets, '[::1]:8080'"),
    ],
)
def test_other_texts_are_no_backend_url(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        backend_url(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("rest", ["", "/", "/?a", "?a", "#a", "/#a"])
def test_a_password_is_refused_and_not_shown(rest: str) -> None:
    with pytest.raises(TextError) as caught:
        backend_url(f"ws://me:secret@x{rest}")
    assert str(caught.value) == "a backend URL cannot hold a user or password: remove all up to '@'"


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("localhost", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
    ],
)
def test_host_patterns(text: str, pattern: str) -> None:
    assert host_pattern(text) == pattern


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://a.example", "'https://a.example' has a scheme: leave https:// out, write the host alone"),
        ("a.example:443", "'a.example:443' has a port: write the host alone, it is matched on every port"),
        ("[::1]:443", "'[::1]:443' has a port: write the host alone, it is matched on every port"),
        ("a.example/x", "'a.example/x' has a path: write the host here and the path under path"),
        ("*", "'*' alone is not a host: leave the key out to take every host"),
        ("*a.example", "'*a.example': * stands for the first labels only, like '*.example.com'"),
        ("a.*", "'a.*': * stands for the first labels only, like '*.example.com'"),
        ("*.*.a", "'*.*.a': * stands for the first labels only, like '*.example.com'"),
        ("*.10.0.0.1", "'*.10.0.0.1': * cannot stand before an IP address"),
        ("*.[::1]", "'*.[::1]': * cannot stand before an IP address"),
        ("a.example.", "'a.example.' ends with a dot: remove it"),
        ("*.", "the host is missing"),
        ("1::g", "'1::g' is not an IPv6 address"),
        ("10.0.0", "'10.0.0' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        ("a b", "'a b' is not a host name"),
    ],
)
def test_other_texts_are_no_host_pattern(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        host_pattern(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::/0", "::/0"),
    ],
)
def test_networks(text: str, shown: str) -> None:
    assert network(text) == Network(ipaddress.ip_network(shown))
    assert str(network(text)) == shown


@pytest.mark.parametrize("text", ["unix", "unix:"])
def test_the_peers_of_a_unix_socket_are_a_network(text: str) -> None:
    assert network(text) == Network(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.1/8", "'10.0.0.1/8' has bits set behind its /8: write 10.0.0.0/8, or 10.0.0.1"),
        ("2001:db8::1/32", "'2001:db8::1/32' has bits set behind its /32: write 2001:db8::/32, or 2001:db8::1"),
        ("proxy", "'proxy' is not a network: write one like 10.0.0.0/8, an address, or unix"),
        ("10.0.0/8", "'10.0.0/8' is not a network: write one like 10.0.0.0/8, an address, or unix"),
        ("[::1]", "'[::1]' is not a network: write one like 10.0.0.0/8, an address, or unix"),
        ("unix:/run/a", "'unix:/run/a' is not a network: write one like 10.0.0.0/8, an address, or unix"),
        ("", "'' is not a network: write one like 10.0.0.0/8, an address, or unix"),
        ("10.0.0.0/33", "'10.0.0.0/33': what is behind the slash is not a number of bits like /8"),
        ("10.0.0.0/", "'10.0.0.0/': what is behind the slash is not a number of bits like /8"),
        ("10.0.0.0/8/8", "'10.0.0.0/8/8': what is behind the slash is not a number of bits like /8"),
        ("10.0.0.0/255.0.0.0", "'10.0.0.0/255.0.0.0': what is behind the slash is not a number of bits like /8"),
        (
            "::ffff:10.0.0.0/104",
            "'::ffff:10.0.0.0/104' is IPv4 in IPv6's clothes, which no client has here: write it as IPv4",
        ),
        ("10.0.0.0/٨", "'10.0.0.0/٨': what is behind the slash is not a number of bits like /8"),
        ("fe80::1%eth0", "'fe80::1%eth0' has a zone: only addresses without one can be used"),
    ],
)
def test_other_texts_are_no_network(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        network(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("App.Internal", "app.internal"),
        ("app.internal.", "app.internal"),
        ("10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[::1]", "::1"),
    ],
)
def test_host_names(text: str, name: str) -> None:
    assert host_name(text) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app.internal:443", "'app.internal:443' has a port: write the name alone"),
        ("[::1]:443", "'[::1]:443' has a port: write the name alone"),
        ("*.internal", "'*.internal' is not a host name"),
        ("wss://app", "'wss://app' has a scheme: leave wss:// out, write the name alone"),
        ("", "the host is missing"),
        ("1::g", "'1::g' is not an IPv6 address"),
        ("10.0.0", "'10.0.0' is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
    ],
)
def test_other_texts_are_no_host_name(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        host_name(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://Collector:4318", "http://collector:4318/v1/traces"),
        ("https://[0::1]:4318/", "https://[::1]:4318/v1/traces"),
        ("https://traces.example.com", "https://traces.example.com/v1/traces"),
        ("http://a/otlp/v1/traces", "http://a/otlp/v1/traces"),
    ],
)
def test_collectors(text: str, url: str) -> None:
    assert collector_url(text) == url
    assert collector_url(url) == url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("collector:4318", "'collector:4318' is no collector's URL: write http://collector:4318"),
        ("grpc://a:4317", "'grpc://a:4317' is no collector's URL: write http://host:4318 or https://host:4318"),
        ("http://a?b", "'http://a?b' is no collector's URL: write http://host:4318 or https://host:4318"),
        (
            "http://me:secret@a",
            "a collector's URL cannot hold a user or password: set OTEL_EXPORTER_OTLP_HEADERS instead",
        ),
        ("http://a:0", "'0' is not a port: a port is a number from 1 to 65535"),
        ("http://a/b c", "'/b c' is not a URL path: percent-encode what is not a letter, digit or one of -._~/"),
        ("http://", "the host is missing"),
    ],
)
def test_what_is_no_collector(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        collector_url(text)
    assert str(caught.value) == message
