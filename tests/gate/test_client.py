"""The client of a request, by each trusted source, and what a backend is told about it."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gate.conftest import address_of
from wsgate.gate.client import Client, RemoteEnd, backend_fields, client_of, is_among, proxy_header
from wsgate.net.tls.handshake import ClientCertificate, format_name
from wsgate.relay.session_info import ClientInfo
from wsgate.settings.model import Address, Network, ProxyVersion, TcpAddress, UnixAddress
from wsgate.wire.http import HttpServer, Request

STRANGER = TcpAddress("203.0.113.9", 4711)
PROXY = TcpAddress("10.0.0.1", 4711)  # trusted
UNIX = UnixAddress("/run/wsgate.sock")


def networks(*written: str) -> list[Network]:
    return [Network(None if text == "unix" else ipaddress.ip_network(text)) for text in written]


TRUSTED = networks("10.0.0.0/8", "2001:db8:a::/48", "unix")


def request(*fields: str, host: str = "chat.test") -> Request:
    server = HttpServer()
    server.receive("\r\n".join(["GET / HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode("latin-1"))
    asked = server.next_request()
    assert isinstance(asked, Request)
    return asked


def find(*fields: str, peer: Address = PROXY, address: Address | None = None, tls: bool = False) -> Client:
    return client_of(RemoteEnd(peer, address or peer, tls), request(*fields), TRUSTED)


def told(found: Client) -> dict[str, str]:
    fields = backend_fields(found)
    assert len({name for name, _ in fields}) == len(fields)
    return {name.decode(): value.decode("ascii") for name, value in fields}


# -- networks ----------------------------------------------------------------------------------------------------------

AMONG: list[tuple[str, list[str], bool]] = [
    ("10.0.0.1:1", ["10.0.0.0/8"], True),
    ("11.0.0.1:1", ["10.0.0.0/8"], False),
    ("11.0.0.1:1", ["10.0.0.0/8", "11.0.0.1/32"], True),
    ("10.0.0.1:1", [], False),
    ("10.0.0.1:1", ["::/0", "unix"], False),
    ("10.0.0.1:1", ["0.0.0.0/0"], True),
    ("[::1]:1", ["::1/128"], True),
    ("[::1]:1", ["0.0.0.0/0", "unix"], False),
    ("[fe80::1%eth0]:1", ["fe80::/10"], True),
    ("unix:/run/s", ["unix"], True),
    ("unix:/run/s", ["0.0.0.0/0", "::/0"], False),
]


@pytest.mark.parametrize(("address", "among", "there"), AMONG)
def test_networks(address: str, among: list[str], there: bool) -> None:
    assert is_among(address_of(address), networks(*among)) is there


# -- X-Forwarded-For ---------------------------------------------------------------------------------------------------

FOR: list[tuple[list[str], list[str]]] = [
    # what the trusted peer tells, for every address
    ([], []),
    (["203.0.113.9"], ["203.0.113.9"]),
    (["2001:db8::9"], ["2001:db8::9"]),
    (["2001:DB8:0::0009"], ["2001:db8::9"]),
    (["203.0.113.9:4711"], ["203.0.113.9"]),
    (["[2001:db8::9]"], ["2001:db8::9"]),
    (["[2001:db8::9]:4711"], ["2001:db8::9"]),
    (["::ffff:203.0.113.9"], ["203.0.113.9"]),
    # as long as those are trusted too
    (["203.0.113.9, 10.0.0.2, 2001:db8:a::3"], ["203.0.113.9", "10.0.0.2", "2001:db8:a::3"]),
    (["203.0.113.9,10.0.0.2 ,\t::ffff:10.0.0.3"], ["203.0.113.9", "10.0.0.2", "10.0.0.3"]),
    (["203.0.113.9", "10.0.0.2"], ["203.0.113.9", "10.0.0.2"]),
    (["10.0.0.4, 10.0.0.3", "10.0.0.2"], ["10.0.0.4", "10.0.0.3", "10.0.0.2"]),
    (["203.0.113.9,, ,10.0.0.2,"], ["203.0.113.9", "10.0.0.2"]),
    # what an untrusted client wrote is to the left of its own address
    (["6.6.6.6, 203.0.113.9"], ["203.0.113.9"]),
    (["6.6.6.6", "203.0.113.9"], ["203.0.113.9"]),
    (["10.0.0.9, 203.0.113.9, 10.0.0.2"], ["203.0.113.9", "10.0.0.2"]),
    (['", 203.0.113.9'], ["203.0.113.9"]),
    # what is no address ends it
    (["unknown"], []),
    (["6.6.6.6, unknown"], []),
    (["6.6.6.6, unknown, 10.0.0.2"], ["10.0.0.2"]),
    (["6.6.6.6, unix:"], []),
    (["6.6.6.6, _hidden, 10.0.0.2"], ["10.0.0.2"]),
    (["6.6.6.6, 010.0.0.2"], []),
    (["6.6.6.6, 10.0.0"], []),
    (["6.6.6.6, fe80::1%eth0"], []),
    (["6.6.6.6, 10.0.0.2:"], []),
    (["6.6.6.6, 10.0.0.2:123456"], []),
    (["6.6.6.6, [10.0.0.2]:80"], ["6.6.6.6", "10.0.0.2"]),
    (["6.6.6.6, \xe9"], []),
    (["6.6.6.6, \xb2.2.2.2"], []),
    (["6.6.6.6, 167772162"], []),
]


@pytest.mark.parametrize(("fields", "hops"), FOR)
@pytest.mark.parametrize("peer", [PROXY, UNIX])
def test_x_forwarded_for_of_a_trusted_proxy(fields: list[str], hops: list[str], peer: Address) -> None:
    found = find(*(f"X-Forwarded-For: {field}" for field in fields), peer=peer)
    chain = hops if peer is UNIX else [*hops, "10.0.0.1"]
    assert found.chain == tuple(chain)
    assert replace(found.info, host=None) == (ClientInfo(hops[0], str(peer)) if hops else ClientInfo(str(peer)))
    assert told(found).get("X-Forwarded-For") == (", ".join(chain) or None)


STRANGE = [
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Port: 666",
    "Forwarded: for=6.6.6.6;proto=https;host=evil.test",
    "X-Real-IP: 6.6.6.6",
]


@pytest.mark.parametrize("peer", ["203.0.113.9:1", "[2001:db8::9]:1", "[::1]:1"])
def test_a_stranger_is_not_believed(peer: str) -> None:
    plain, strange = find(peer=address_of(peer)), find(*STRANGE, peer=address_of(peer))
    assert strange == plain
    assert replace(plain.info, host=None) == ClientInfo(peer)
    assert not plain.proxied


def test_nobody_is_believed_unless_the_settings_say_so() -> None:
    for peer in (STRANGER, PROXY, UNIX):
        client = RemoteEnd(peer, peer)
        assert client_of(client, request(*STRANGE), ()) == client_of(client, request(), ())


def test_the_client_of_a_unix_socket_has_no_address() -> None:
    found = client_of(RemoteEnd(UNIX, UNIX), request(), ())
    assert replace(found.info, host=None) == ClientInfo("unix:/run/wsgate.sock")
    assert "X-Forwarded-For" not in told(found)
    assert told(found)["Forwarded"] == "for=unknown;host=chat.test;proto=http"


def test_a_link_local_client_loses_its_zone() -> None:
    found = find(peer=TcpAddress("fe80::1%eth0", 1))
    assert told(found)["X-Forwarded-For"] == "fe80::1"
    assert told(found)["Forwarded"] == 'for="[fe80::1]";host=chat.test;proto=http'


# -- the PROXY protocol ------------------------------------------------------------------------------------------------


def test_the_proxy_protocol_stands_for_the_peer() -> None:
    """The address in the header then decides whether the peer's fields are trusted."""
    found = find(*STRANGE, peer=PROXY, address=STRANGER)
    assert replace(found.info, host=None) == ClientInfo("203.0.113.9:4711", "10.0.0.1:4711")
    assert found.chain == ("203.0.113.9",)
    assert (found.scheme, found.host) == (b"http", b"chat.test")
    assert found.proxied

    behind = find("X-Forwarded-For: 203.0.113.9", peer=STRANGER, address=PROXY)
    assert replace(behind.info, host=None) == ClientInfo("203.0.113.9", "203.0.113.9:4711")
    assert behind.chain == ("203.0.113.9", "10.0.0.1")


# -- scheme, host and port ---------------------------------------------------------------------------------------------

ASKED: list[tuple[list[str], str, str, int]] = [
    ([], "http", "chat.test", 80),
    (["X-Forwarded-Proto: https"], "https", "chat.test", 443),
    (["X-Forwarded-Proto: HTTPS"], "https", "chat.test", 443),
    (["X-Forwarded-Proto: wss"], "https", "chat.test", 443),
    (["X-Forwarded-Proto: ws"], "http", "chat.test", 80),
    (["X-Forwarded-Proto: gopher"], "http", "chat.test", 80),
    (["X-Forwarded-Proto:"], "http", "chat.test", 80),
    (["X-Forwarded-Host: a.test"], "http", "a.test", 80),
    (["X-Forwarded-Host: a.test:8080"], "http", "a.test:8080", 8080),
    (["X-Forwarded-Host: [2001:db8::1]:8080"], "http", "[2001:db8::1]:8080", 8080),
    (["X-Forwarded-Host: [2001:db8::1]"], "http", "[2001:db8::1]", 80),
    (["X-Forwarded-Host: a b"], "http", "chat.test", 80),
    (["X-Forwarded-Host: user@a"], "http", "chat.test", 80),
    (["X-Forwarded-Host: a/b"], "http", "chat.test", 80),
    (["X-Forwarded-Host: \xe9"], "http", "chat.test", 80),
    (["X-Forwarded-Port: 8443"], "http", "chat.test", 8443),
    (["X-Forwarded-Port: 8443", "X-Forwarded-Host: a.test:1"], "http", "a.test:1", 1),
    (["X-Forwarded-Proto: https", "X-Forwarded-Port: 8443"], "https", "chat.test", 8443),
    (["X-Forwarded-Port: 0"], "http", "chat.test", 80),
    (["X-Forwarded-Port: 65536"], "http", "chat.test", 80),
    (["X-Forwarded-Port: http"], "http", "chat.test", 80),
    (["X-Forwarded-Port: " + "9" * 5000], "http", "chat.test", 80),
    # the proxy that met the client wrote as far to the left as there are proxies
    (["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https, http"], "http", "chat.test", 80),
    (["X-Forwarded-For: 203.0.113.9, 10.0.0.2", "X-Forwarded-Proto: https, http"], "https", "chat.test", 443),
    (["X-Forwarded-For: 203.0.113.9, 10.0.0.2", "X-Forwarded-Proto: http, https, http"], "https", "chat.test", 443),
    (["X-Forwarded-For: 203.0.113.9, 10.0.0.2", "X-Forwarded-Proto: https"], "https", "chat.test", 443),
    (["X-Forwarded-For: unknown, 10.0.0.2", "X-Forwarded-Proto: https, http"], "https", "chat.test", 443),
    (["X-Forwarded-For: 10.0.0.2", "X-Forwarded-Host: evil.test", "X-Forwarded-Host: a.test"], "http", "a.test", 80),
]


@pytest.mark.parametrize(("fields", "scheme", "host", "port"), ASKED)
def test_what_was_asked_for(fields: list[str], scheme: str, host: str, port: int) -> None:
    found = find(*fields)
    assert (found.scheme.decode(), found.host.decode(), found.port) == (scheme, host, port)
    fields_told = told(found)
    assert fields_told["X-Forwarded-Proto"] == scheme
    assert fields_told["X-Forwarded-Host"] == host
    assert fields_told["X-Forwarded-Port"] == str(port)


def test_tls_here_is_https_unless_a_proxy_says_how_the_client_came() -> None:
    assert (find(tls=True).scheme, find(tls=True).port) == (b"https", 443)
    assert find("X-Forwarded-Proto: http", tls=True).scheme == b"http"
    assert find("X-Forwarded-Proto: http", tls=True, peer=STRANGER).scheme == b"https"


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("chat.test", b"chat.test", 80),
        ("chat.test:8080", b"chat.test", 8080),
        ("chat.test:", b"chat.test", 80),
        ("chat.test:0", b"chat.test", 80),
        ("chat.test:99999", b"chat.test", 80),
        ("[::1]", b"[::1]", 80),
        ("[::1]:81", b"[::1]", 81),
        ("8080", b"8080", 80),
        (":8080", b"", 8080),
        ("", b"", 80),
    ],
)
def test_names_and_ports(host: str, name: bytes, port: int) -> None:
    found = client_of(RemoteEnd(STRANGER, STRANGER), request(host=host), TRUSTED)
    assert (found.name, found.port, found.host) == (name, port, host.encode())
    assert told(found).get("X-Forwarded-Host") == (host or None)


# -- Forwarded ---------------------------------------------------------------------------------------------------------

FORWARDED: list[tuple[list[str], list[str], str, str]] = [
    (["for=203.0.113.9"], ["203.0.113.9"], "http", "chat.test"),
    (["For=203.0.113.9;Proto=https;HOST=a.test"], ["203.0.113.9"], "https", "a.test"),
    (['for="203.0.113.9:4711"; proto=https ;host="a.test:81"'], ["203.0.113.9"], "https", "a.test:81"),
    (['for="[2001:db8::9]"'], ["2001:db8::9"], "http", "chat.test"),
    (['for="[2001:db8::9]:_hidden"'], ["2001:db8::9"], "http", "chat.test"),
    (['for="\\203.0.113\\.9";proto="\\h\\t\\t\\p\\s"'], ["203.0.113.9"], "https", "chat.test"),
    (["by=_x;for=203.0.113.9;secret=a"], ["203.0.113.9"], "http", "chat.test"),
    ([";for=203.0.113.9"], [], "http", "chat.test"),
    (["for=203.0.113.9;;proto=https;"], ["203.0.113.9"], "https", "chat.test"),
    # each proxy tells the one before it; the first proxy knows how the client connected
    (
        ["for=203.0.113.9;proto=https;host=a.test, for=10.0.0.2;proto=http;host=b.test"],
        ["203.0.113.9", "10.0.0.2"],
        "https",
        "a.test",
    ),
    (
        ["for=203.0.113.9;proto=https", "for=10.0.0.2,, for=10.0.0.3,"],
        ["203.0.113.9", "10.0.0.2", "10.0.0.3"],
        "https",
        "chat.test",
    ),
    (["", "for=203.0.113.9", ","], ["203.0.113.9"], "http", "chat.test"),
    # what an untrusted client wrote
    (["for=6.6.6.6;proto=https;host=evil.test, for=203.0.113.9"], ["203.0.113.9"], "http", "chat.test"),
    (["for=6.6.6.6;proto=https", "for=203.0.113.9"], ["203.0.113.9"], "http", "chat.test"),
    (['for="6.6.6.6, for=203.0.113.9'], ["203.0.113.9"], "http", "chat.test"),
    (['for=6.6.6.6;x=", for="[2001:db8::9]";proto=http'], ["2001:db8::9"], "http", "chat.test"),
    (['for=6.6.6.6;x="\\, for="[2001:db8::9]"'], ["2001:db8::9"], "http", "chat.test"),
    (['for=203.0.113.9;host="a, for=6.6.6.6"'], ["203.0.113.9"], "http", "chat.test"),
    (['for=203.0.113.9;x="\\", for=6.6.6.6"'], ["203.0.113.9"], "http", "chat.test"),
    # a malformed address ends the chain; the rest of that element is still trusted
    (["for=6.6.6.6, for=unknown;proto=https"], [], "https", "chat.test"),
    (["for=6.6.6.6, for=_hidden, for=10.0.0.2"], ["10.0.0.2"], "http", "chat.test"),
    (["for=6.6.6.6, proto=https, for=10.0.0.2"], ["10.0.0.2"], "https", "chat.test"),
    (["for=6.6.6.6, nonsense"], [], "http", "chat.test"),
    (["for=6.6.6.6, for=[2001:db8::9]"], [], "http", "chat.test"),
    (["for=6.6.6.6, for=10.0.0.2;host"], [], "http", "chat.test"),
    (["for=6.6.6.6, for=10.0.0.2;host="], [], "http", "chat.test"),
    (["for=6.6.6.6, for=10.0.0.2;x=1;host"], [], "http", "chat.test"),
    (["for=6.6.6.6, for=\xe9"], [], "http", "chat.test"),
]


@pytest.mark.parametrize(("fields", "hops", "scheme", "host"), FORWARDED)
def test_forwarded_of_a_trusted_proxy(fields: list[str], hops: list[str], scheme: str, host: str) -> None:
    found = find(*(f"Forwarded: {field}" for field in fields))
    assert (list(found.chain), found.scheme.decode(), found.host.decode()) == ([*hops, "10.0.0.1"], scheme, host)


@pytest.mark.parametrize("field", ["For: 203.0.113.9", "Proto: http", "Host: chat.test", "Port: 80"])
def test_forwarded_is_not_mixed_with_the_others(field: str) -> None:
    """A proxy that writes those fields may pass on a client's Forwarded."""
    found = find(f"X-Forwarded-{field}", "Forwarded: for=6.6.6.6;proto=https;host=evil.test")
    assert "6.6.6.6" not in found.chain
    assert (found.scheme, found.host) == (b"http", b"chat.test")
    assert find("X-Forwarded-Ssl: on", "Forwarded: for=203.0.113.9").chain == ("203.0.113.9", "10.0.0.1")


@pytest.mark.parametrize(
    "piece", [",", ',x="', '\\",', ",x=y", ';x="\\,', "for=10.0.0.2,", " ", 'a="",', 'a=",;', "\\"]
)
def test_a_long_forwarded_is_read_in_time(piece: str) -> None:
    """None of these backtracks: exponential time would not end before the timeout of the test run."""
    for field in ((piece * 15_000)[:15_000], 'for="' + (piece * 15_000)[:15_000]):
        assert set(find(f"Forwarded: {field}").chain) <= {"10.0.0.1", "10.0.0.2"}


node = st.one_of(st.ip_addresses().map(str), st.just("unknown"), st.just("_x"))
text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)


@given(st.lists(text, max_size=3), st.lists(node, max_size=3), st.booleans())
def test_a_proxys_word_stands_whatever_is_to_the_left_of_it(strange: list[str], nodes: list[str], lines: bool) -> None:
    """The address that the last proxy tells is the client's, and everything that it sent itself changes nothing."""
    for name, form in (("X-Forwarded-For", "{}"), ("Forwarded", 'for="{}"')):
        left = [*strange, *(form.format(node) for node in nodes)]
        own = form.format("203.0.113.9")
        values = [*left, own] if lines else [", ".join([*left, own])]
        found = find(*(f"{name}: {value.strip()}" for value in values))
        assert found.chain == ("203.0.113.9", "10.0.0.1")
        assert found.scheme == b"http"


@given(st.lists(st.ip_addresses().map(str), max_size=4))
def test_what_we_write_we_read(addresses: list[str]) -> None:
    """The next gateway of a row learns the same."""
    everybody = networks("0.0.0.0/0", "::/0")
    found = client_of(
        RemoteEnd(PROXY, PROXY, tls=True),
        request(*(f"X-Forwarded-For: {address}" for address in addresses), host="[::1]:81"),
        everybody,
    )
    fields = told(found)
    for kind in ("X-Forwarded-For", "Forwarded"):
        sent = [f"{name}: {value}" for name, value in fields.items() if (name == "Forwarded") == (kind == "Forwarded")]
        again = client_of(RemoteEnd(UNIX, UNIX), request(*sent), [*everybody, *TRUSTED])
        assert (again.chain, again.scheme, again.host, again.port) == (found.chain, b"https", b"[::1]:81", 81)


# -- fields for backends -----------------------------------------------------------------------------------------------


def test_everything_at_once() -> None:
    found = find("X-Forwarded-For: 6.6.6.6, 2001:db8::9, 10.0.0.2", "X-Forwarded-Proto: https", tls=False)
    assert told(found) == {
        "X-Forwarded-For": "2001:db8::9, 10.0.0.2, 10.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "chat.test",
        "X-Forwarded-Port": "443",
        "Forwarded": 'for="[2001:db8::9]";host=chat.test;proto=https, for=10.0.0.2, for=10.0.0.1',
    }


def test_a_host_that_is_no_token_is_quoted() -> None:
    for host in ("a.test:81", "[::1]", "a;for=6.6.6.6;b"):
        found = client_of(RemoteEnd(STRANGER, STRANGER), request(host=host), ())
        assert told(found)["Forwarded"] == f'for=203.0.113.9;host="{host}";proto=http'


def test_a_client_certificate() -> None:
    subject = format_name(((("organizationName", "Exämple\r\nX-Admin: yes"),), (("commonName", "worker 7, of 9"),)))
    certificate = ClientCertificate(subject, "CN=CA", "0A1B", "ab" * 32)
    client = RemoteEnd(STRANGER, STRANGER, True, certificate)
    found = client_of(client, request(), TRUSTED)
    assert replace(found.info, host=None) == client.client_info() == ClientInfo("203.0.113.9:4711", None, subject)
    assert {name: value for name, value in told(found).items() if "Cert" in name} == {
        "X-Client-Cert-Verify": "SUCCESS",
        "X-Client-Cert-Subject": "CN=worker 7\\, of 9,O=Ex\\C3\\A4mple\\0D\\0AX-Admin: yes",
        "X-Client-Cert-Issuer": "CN=CA",
        "X-Client-Cert-Serial": "0A1B",
        "X-Client-Cert-Fingerprint": "ab" * 32,
    }
    assert not any("Cert" in name for name in told(find()))


# -- PROXY headers for TCP services ------------------------------------------------------------------------------------

HERE = TcpAddress("198.51.100.1", 443)
PROXIES = "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.2"

SAID: list[tuple[Address, Address, list[str], Address, str]] = [
    # the peer, the address in the PROXY header, fields, the address that it connected to, the result
    (STRANGER, STRANGER, [], HERE, "TCP4 203.0.113.9 198.51.100.1 4711 443"),
    (STRANGER, STRANGER, ["X-Forwarded-For: 6.6.6.6"], HERE, "TCP4 203.0.113.9 198.51.100.1 4711 443"),
    (PROXY, STRANGER, [], HERE, "TCP4 203.0.113.9 198.51.100.1 4711 443"),
    (PROXY, PROXY, [], HERE, "TCP4 10.0.0.1 198.51.100.1 4711 443"),
    (PROXY, PROXY, [PROXIES], HERE, "TCP4 203.0.113.9 198.51.100.1 0 443"),
    (PROXY, TcpAddress("10.0.0.5", 7), [PROXIES], HERE, "TCP4 203.0.113.9 198.51.100.1 0 443"),
    (UNIX, UNIX, ["X-Forwarded-For: 203.0.113.9"], UNIX, "TCP4 203.0.113.9 0.0.0.0 0 0"),
    (UNIX, UNIX, [], UNIX, "UNKNOWN"),
    (TcpAddress("fe80::1%eth0", 1), TcpAddress("fe80::1%eth0", 1), [], HERE, "TCP6 fe80::1 ::ffff:c633:6401 1 443"),
]


@pytest.mark.parametrize(("peer", "address", "fields", "here", "expected"), SAID)
def test_the_proxy_header(peer: Address, address: Address, fields: list[str], here: Address, expected: str) -> None:
    client, found = RemoteEnd(peer, address), find(*fields, peer=peer, address=address)
    header = proxy_header(ProxyVersion.V1, client, found, here)
    assert header.replace(b"::ffff:198.51.100.1", b"::ffff:c633:6401") == b"PROXY %b\r\n" % expected.encode()
    assert proxy_header(ProxyVersion.V2, client, found, here).startswith(b"\r\n\r\n\0\r\nQUIT\n")
