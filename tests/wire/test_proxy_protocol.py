"""PROXY headers whole, byte by byte, with bytes behind them; and malformed ones."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.settings.model import Address, ProxyVersion, TcpAddress, UnixAddress
from wsgate.wire.proxy_protocol import BEGINNINGS, MAX_V1, MAX_V2, Malformed, ProxyHeader, encode, parse

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
TCP4, UDP4, TCP6, UDP6, STREAM, DATAGRAM = 0x11, 0x12, 0x21, 0x22, 0x31, 0x32

HERE = TcpAddress("192.0.2.7", 50000), TcpAddress("198.51.100.1", 443)
HERE6 = TcpAddress("2001:db8::7", 1), TcpAddress("::1", 65535)
BLOCK4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + b"\xc3\x50\x01\xbb"
BLOCK6 = bytes.fromhex("20010db8000000000000000000000007 00000000000000000000000000000001 0001 ffff")
BLOCK_UNIX = b"/run/a.sock".ljust(108, b"\0") + b"\0abstract".ljust(108, b"\0")
CRC32C = b"\x03\x00\x04\xde\xad\xbe\xef"  # a wrong one
AWS = b"\xea\x00\x17\x01vpce-08d2bf15fac5001c9"

BEHIND = [b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n", b"\r\n", b"\0"]


def v2(kind: int, block: bytes, fields: bytes = b"", *, command: int = PROXY) -> bytes:
    return SIGNATURE + bytes([command, kind]) + (len(block) + len(fields)).to_bytes(2, "big") + block + fields


HEADERS: dict[str, tuple[bytes, tuple[Address, Address] | None]] = {
    "v1 TCP4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n", HERE),
    "v1 TCP6": (b"PROXY TCP6 2001:db8::7 ::1 1 65535\r\n", HERE6),
    "v1 TCP6 in full": (
        b"PROXY TCP6 2001:0DB8:0000:0000:0000:0000:0000:0007 0000:0000:0000:0000:0000:0000:0000:0001 1 65535\r\n",
        HERE6,
    ),
    "v1 TCP6 of IPv4": (b"PROXY TCP6 ::ffff:192.0.2.7 ::FFFF:c633:6401 50000 443\r\n", HERE),
    "v1 port 0": (
        b"PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n",
        (TcpAddress("0.0.0.0", 0), TcpAddress("255.255.255.255", 0)),
    ),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", None),
    "v1 UNKNOWN with addresses": (b"PROXY UNKNOWN ffff:f:f::1 ffff:f::1 65535 65535\r\n", None),
    "v1 UNKNOWN with anything": (b"PROXY UNKNOWN \0\xff \r \n  nonsense\r\n", None),
    "v1 as long as can be": (b"PROXY UNKNOWN ".ljust(MAX_V1 - 2, b"f") + b"\r\n", None),
    "v2 TCP4": (v2(TCP4, BLOCK4), HERE),
    "v2 UDP4": (v2(UDP4, BLOCK4), HERE),
    "v2 TCP4 with fields": (v2(TCP4, BLOCK4, AWS + CRC32C), HERE),
    "v2 TCP4 with fields that are none": (v2(TCP4, BLOCK4, b"\x01\xff\xff"), HERE),
    "v2 TCP6": (v2(TCP6, BLOCK6), HERE6),
    "v2 UDP6": (v2(UDP6, BLOCK6, CRC32C), HERE6),
    "v2 TCP6 of IPv4": (
        v2(TCP6, bytes(10) + b"\xff\xff" + BLOCK4[:4] + bytes(10) + b"\xff\xff" + BLOCK4[4:]),
        HERE,
    ),
    "v2 UNIX": (v2(STREAM, BLOCK_UNIX), (UnixAddress("/run/a.sock"), UnixAddress("@abstract"))),
    "v2 UNIX without names": (v2(DATAGRAM, bytes(216), AWS), (UnixAddress(""), UnixAddress(""))),
    "v2 UNIX in full": (
        v2(STREAM, b"a" * 108 + b"\xff\n".ljust(108, b"\0")),
        (UnixAddress("a" * 108), UnixAddress("\\xff\\x0a")),
    ),
    "v2 LOCAL": (v2(0, b"", command=LOCAL), None),
    "v2 LOCAL with an address": (v2(TCP4, BLOCK4, command=LOCAL), None),
    "v2 LOCAL of a family that nobody knows": (v2(0xFF, b"abc", command=LOCAL), None),
    "v2 UNSPEC": (v2(0, b""), None),
    "v2 UNSPEC with fields": (v2(0, b"", AWS), None),
    "v2 as long as can be": (v2(TCP4, BLOCK4, bytes(MAX_V2 - 16 - 12)), HERE),
}


@pytest.mark.parametrize(("data", "named"), HEADERS.values(), ids=HEADERS)
def test_headers(data: bytes, named: tuple[Address, Address] | None) -> None:
    """Nothing is known before the last byte, and nothing changes behind it."""
    whole = ProxyHeader(len(data), *(named or (None, None)))
    for behind in BEHIND:
        assert parse(data + behind) == whole
    for cut in range(len(data)):
        assert parse(data[:cut]) is None


# What is wrong, and how many bytes show it
MALFORMED: dict[str, tuple[bytes, int, str]] = {
    "TLS": (b"\x16\x03\x01\x02\x00\x01", 1, "no PROXY header"),
    "HTTP": (b"GET / HTTP/1.1\r\n", 1, "no PROXY header"),
    "POST": (b"POST / HTTP/1.1\r\n", 2, "no PROXY header"),
    "lower case": (b"proxy UNKNOWN\r\n", 1, "no PROXY header"),
    "no space": (b"PROXY\r\n", 6, "no PROXY header"),
    "an empty line": (b"\r\nGET /", 3, "no PROXY header"),
    "nearly the signature": (SIGNATURE[:-1] + b"\r", 12, "no PROXY header"),
    "no words": (b"PROXY \r\n", 8, "another protocol"),
    "UDP": (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", 32, "another protocol"),
    "unknown in lower case": (b"PROXY unknown\r\n", 15, "another protocol"),
    "UNKNOWNS": (b"PROXY UNKNOWNS\r\n", 16, "another protocol"),
    "two spaces in front": (b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", 33, "another protocol"),
    "two spaces between": (b"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", 33, "without two"),
    "a space at the end": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", 33, "without two"),
    "no port": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", 30, "without two"),
    "no address": (b"PROXY TCP4\r\n", 12, "without two"),
    "a line of more than 107 bytes": (b"PROXY UNKNOWN ".ljust(MAX_V1 - 1, b"f") + b"\r\n", MAX_V1, "more than 107"),
    "a line that never ends": (b"PROXY UNKNOWN \n" + b"\r" * 200, MAX_V1, "more than 107"),
    "version 1": (v2(TCP4, BLOCK4, command=0x11), 16, "version and command 0x11"),
    "version 3": (v2(TCP4, BLOCK4, command=0x31), 16, "version and command 0x31"),
    "command 2": (v2(TCP4, BLOCK4, command=0x22), 16, "version and command 0x22"),
    "a family without a transport": (v2(0x10, BLOCK4), 16, "family and transport 0x10"),
    "a transport without a family": (v2(0x01, BLOCK4), 16, "family and transport 0x01"),
    "transport 3": (v2(0x13, BLOCK4), 16, "family and transport 0x13"),
    "family 4": (v2(0x41, BLOCK4), 16, "family and transport 0x41"),
    "no address in v2": (v2(TCP4, b""), 16, "ends within"),
    "half an address in v2": (v2(TCP4, BLOCK4[:-1]), 16, "ends within"),
    "IPv4 for IPv6": (v2(TCP6, BLOCK4), 16, "ends within"),
    "half a path": (v2(STREAM, BLOCK_UNIX[:-1]), 16, "ends within"),
    "4097 bytes": (v2(TCP4, BLOCK4, bytes(MAX_V2 - 16 - 11)), 16, "4097 bytes: at most 4096"),
    "65551 bytes": (v2(0, b"", bytes(65535)), 16, "65551 bytes: at most 4096"),
    "65551 bytes of LOCAL": (v2(0, b"", bytes(65535), command=LOCAL), 16, "65551 bytes"),
}


@pytest.mark.parametrize(("data", "needed", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_none(data: bytes, needed: int, reason: str) -> None:
    """It is reported as soon as possible, and more bytes do not change it."""
    for cut in range(min(len(data), 300)):
        assert isinstance(parse(data[:cut]), Malformed) is (cut >= needed)
    for behind in BEHIND:
        found = parse(data + behind)
        assert isinstance(found, Malformed)
        assert reason in found.reason


@pytest.mark.parametrize(
    "address",
    ["1.2.3", "1.2.3.4.5", "01.2.3.4", "256.2.3.4", "a.b.c.d", "", "::1", "1.2.3.4:80", "-1.2.3.4", "١.2.3.4"],
)
def test_no_addresses_of_tcp4(address: str) -> None:
    for pair in (f"{address} 1.2.3.4", f"1.2.3.4 {address}"):
        assert isinstance(parse(f"PROXY TCP4 {pair} 1 2\r\n".encode()), Malformed)


@pytest.mark.parametrize("address", ["1.2.3.4", ":::1", "::1%eth0", "[::1]", "1::2::3", "12345::", "g::1", ""])
def test_no_addresses_of_tcp6(address: str) -> None:
    for pair in (f"{address} ::1", f"::1 {address}"):
        assert isinstance(parse(f"PROXY TCP6 {pair} 1 2\r\n".encode()), Malformed)


@pytest.mark.parametrize("port", ["65536", "99999", "100000", "080", "00", "-1", "+1", "1_0", "0x1", "http", "", "²"])
def test_no_ports(port: str) -> None:
    for pair in (f"{port} 1", f"1 {port}"):
        assert isinstance(parse(f"PROXY TCP4 1.2.3.4 1.2.3.4 {pair}\r\n".encode("latin-1")), Malformed)


ports = st.integers(0, 65535)
v4 = st.builds(TcpAddress, st.ip_addresses(v=4).map(str), ports)
v6 = st.builds(TcpAddress, st.integers(1 << 48, (1 << 128) - 1).map(ipaddress.IPv6Address).map(str), ports)
paths = st.binary(max_size=108).filter(lambda path: b"\0" not in path and b"\\" not in path)


@given(st.one_of(st.tuples(v4, v4), st.tuples(v6, v6)), st.binary(max_size=40))
def test_every_address_comes_through(pair: tuple[TcpAddress, TcpAddress], fields: bytes) -> None:
    """Written by the specification, in either version."""
    source, destination = pair
    six = ":" in source.host
    ends = f"{source.host} {destination.host} {source.port} {destination.port}"
    line = f"PROXY {'TCP6' if six else 'TCP4'} {ends}\r\n".encode()
    assert parse(line + fields) == ProxyHeader(len(line), source, destination)
    block = b"".join(ipaddress.ip_address(end.host).packed for end in pair)
    block += b"".join(end.port.to_bytes(2, "big") for end in pair)
    header = v2(TCP6 if six else TCP4, block, fields)
    assert parse(header) == ProxyHeader(len(header), source, destination)


@given(paths, paths)
def test_every_path_comes_through(source: bytes, destination: bytes) -> None:
    header = v2(STREAM, source.ljust(108, b"\0") + destination.ljust(108, b"\0"))
    found = parse(header)
    assert isinstance(found, ProxyHeader)
    for path, address in ((source, found.source), (destination, found.destination)):
        assert isinstance(address, UnixAddress)
        assert address.path.isprintable()
        assert address.path.isascii()
        assert re.sub(r"\\x(..)", lambda escape: chr(int(escape[1], 16)), address.path) == path.decode("latin-1")


@given(st.sampled_from([b"", *BEGINNINGS, b"PROXY TCP4 ", SIGNATURE + b"\x21"]), st.binary(max_size=300))
def test_whatever_comes_is_a_value(beginning: bytes, rest: bytes) -> None:
    """And once it is known, more bytes do not change it."""
    data = beginning + rest
    known: ProxyHeader | Malformed | None = None
    for cut in range(len(data) + 1):
        found = parse(data[:cut])
        assert known is None or found == known
        known = found
        assert not isinstance(found, ProxyHeader) or found.size <= min(cut, MAX_V2)


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=20))
def test_there_is_an_end_to_it(beginning: bytes, rest: bytes) -> None:
    assert parse((beginning + rest).ljust(MAX_V2, b"\n")) is not None


# -- what we write -----------------------------------------------------------------------------------------------------

MIXED = TcpAddress("192.0.2.7", 50000), TcpAddress("2001:db8::1", 443)
UNIX = UnixAddress("/run/a.sock")

WRITTEN: dict[str, tuple[Address | None, Address | None, bytes, bytes]] = {
    "IPv4": (*HERE, b"TCP4 192.0.2.7 198.51.100.1 50000 443", v2(TCP4, BLOCK4)),
    "IPv6": (*HERE6, b"TCP6 2001:db8::7 ::1 1 65535", v2(TCP6, BLOCK6)),
    "mapped on both sides": (
        TcpAddress("::ffff:192.0.2.7", 50000),
        TcpAddress("::ffff:198.51.100.1", 443),
        b"TCP4 192.0.2.7 198.51.100.1 50000 443",
        v2(TCP4, BLOCK4),
    ),
    "with a zone": (
        TcpAddress("2001:db8::7%eth0", 1),
        TcpAddress("::1%lo", 65535),
        b"TCP6 2001:db8::7 ::1 1 65535",
        v2(TCP6, BLOCK6),
    ),
    "to a Unix socket": (
        HERE[0],
        UNIX,
        b"TCP4 192.0.2.7 0.0.0.0 50000 0",
        v2(TCP4, BLOCK4[:4] + bytes(4) + b"\xc3\x50\0\0"),
    ),
    "of IPv6 to nobody knows": (
        HERE6[0],
        None,
        b"TCP6 2001:db8::7 :: 1 0",
        v2(TCP6, BLOCK6[:16] + bytes(16) + b"\0\1\0\0"),
    ),
    "of a Unix socket": (UNIX, HERE[1], b"UNKNOWN", v2(0, b"", command=LOCAL)),
    "of nobody knows": (None, None, b"UNKNOWN", v2(0, b"", command=LOCAL)),
}


@pytest.mark.parametrize(("source", "destination", "line", "header"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_written(source: Address | None, destination: Address | None, line: bytes, header: bytes) -> None:
    assert encode(ProxyVersion.V1, source, destination) == b"PROXY " + line + b"\r\n"
    assert encode(ProxyVersion.V2, source, destination) == header


@pytest.mark.parametrize("version", ProxyVersion)
@pytest.mark.parametrize("pair", [MIXED, MIXED[::-1]])
def test_two_families_are_written_as_ipv6(version: ProxyVersion, pair: tuple[TcpAddress, TcpAddress]) -> None:
    header = encode(version, *pair)
    assert parse(header) == ProxyHeader(len(header), *pair)
    if version is ProxyVersion.V1:
        assert header.startswith(b"PROXY TCP6 ")
        assert {ipaddress.IPv6Address(word.decode()) for word in header.split()[2:4]} == {
            ipaddress.IPv6Address("::ffff:192.0.2.7"),
            ipaddress.IPv6Address("2001:db8::1"),
        }
    else:
        assert header[13:16] == bytes([TCP6, 0, 36])


@given(st.sampled_from(ProxyVersion), st.one_of(v4, v6), st.one_of(v4, v6))
def test_what_is_written_is_read(version: ProxyVersion, source: TcpAddress, destination: TcpAddress) -> None:
    header = encode(version, source, destination)
    assert parse(header) == ProxyHeader(len(header), source, destination)
    if version is ProxyVersion.V1:
        assert len(header) <= MAX_V1
    else:
        assert len(header) in (28, 52)
