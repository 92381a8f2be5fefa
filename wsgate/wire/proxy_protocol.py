"""The PROXY protocol, versions 1 and 2: what a balancer says of a connection in front of its first byte.

``parse`` looks at everything that has come so far; ``encode`` is for backends that want to be told the same. Both
follow HAProxy's doc/proxy-protocol.txt; its sections are cited. The optional fields (TLVs) behind the addresses of
version 2 are skipped unread, the checksum among them: TCP has one.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from wsgate.settings.model import Address, ProxyVersion, TcpAddress, UnixAddress

MAX_V1 = 107  # bytes of a line with its CRLF (§2.1)
MAX_V2 = 4096  # bytes; §2.2 allows 65551, nginx takes as many as we do, and real ones have a few hundred

_V1 = b"PROXY "
_V2 = b"\r\n\r\n\x00\r\nQUIT\n"  # §2.2
BEGINNINGS = (_V1, _V2)  # of a header, and of nothing else that anybody speaks
_V2_HEAD = 16  # bytes: the signature, version and command, family and transport, length
_NOT_PRINTABLE = re.compile(r"[^ -~]")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOCAL, _PROXY = 0x20, 0x21
_UNSPEC, _TCP4, _TCP6 = 0x00, 0x11, 0x21
# The bytes of two addresses, by family and transport (§2.2). What §2.2 does not list "must be rejected as invalid".
# A datagram's client is as good as a stream's: balancers take WebSocket over QUIC.
_BLOCKS = {_UNSPEC: 0, _TCP4: 12, 0x12: 12, _TCP6: 36, 0x22: 36, 0x31: 216, 0x32: 216}


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """Who has connected to whom, at the balancer.

    size: bytes of the header; what stands behind them is the connection's own
    source, destination: ``None`` where the balancer does not say (UNKNOWN, UNSPEC) or speaks for itself (LOCAL, a
    health check): the connection is then what it seems to be
    """

    size: int
    source: Address | None = None
    destination: Address | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """There is no PROXY header, and none will come. ``reason`` is for the log."""

    reason: str


def parse(data: bytes) -> ProxyHeader | Malformed | None:
    """The header that ``data`` begins with; ``None`` while all of ``data`` is the beginning of one."""
    if data.startswith(_V1[: len(data)]):
        return _parse_v1(data)
    if data.startswith(_V2[: len(data)]):
        return _parse_v2(data)
    return Malformed("no PROXY header in front of the first byte")


def encode(version: ProxyVersion, source: Address | None, destination: Address | None) -> bytes:
    """The header that says that ``source`` has connected to ``destination``.

    Where the two are not of one family, IPv4 is written as mapped IPv6, as on a dual-stack socket. Where the source has
    no IP address the header says that it is unknown, as HAProxy's does; where only the destination has none (a Unix
    socket), the unspecified address and port 0 stand for it, so that the source is not lost.
    """
    client = _ip(source)
    if client is None:
        return b"PROXY UNKNOWN\r\n" if version is ProxyVersion.V1 else _V2 + bytes([_LOCAL, _UNSPEC, 0, 0])
    here = _ip(destination) or (type(client[0])(0), 0)
    ips, ports = [client[0], here[0]], [client[1], here[1]]
    if ips[0].version != ips[1].version:
        ips = [_map(ip) for ip in ips]
    four = ips[0].version == 4
    if version is ProxyVersion.V1:
        return f"PROXY {'TCP4' if four else 'TCP6'} {ips[0]} {ips[1]} {ports[0]} {ports[1]}\r\n".encode()
    block = b"".join([ip.packed for ip in ips] + [port.to_bytes(2, "big") for port in ports])
    return _V2 + bytes([_PROXY, _TCP4 if four else _TCP6]) + len(block).to_bytes(2, "big") + block


def _ip(address: Address | None) -> tuple[_Ip, int] | None:
    """Without a zone, which means nothing to anybody else, and IPv4 as such, as ``parse`` gives it."""
    if not isinstance(address, TcpAddress):
        return None
    ip = ipaddress.ip_address(address.host.partition("%")[0])
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip, address.port


def _map(ip: _Ip) -> ipaddress.IPv6Address:
    """RFC 4291 §2.5.5.2."""
    return ip if isinstance(ip, ipaddress.IPv6Address) else ipaddress.IPv6Address((0xFFFF << 32) | int(ip))


def _parse_v1(data: bytes) -> ProxyHeader | Malformed | None:
    """§2.1: one line, its words separated by exactly one space."""
    end = data.find(b"\r\n", 0, MAX_V1)
    if end < 0:
        return Malformed(f"PROXY line of more than {MAX_V1} bytes") if len(data) >= MAX_V1 else None
    size = end + 2
    words = data[len(_V1) : end].decode("latin-1").split(" ")
    if words[0] == "UNKNOWN":  # "the receiver must ignore anything presented before the CRLF"
        return ProxyHeader(size)
    if words[0] not in ("TCP4", "TCP6"):
        return Malformed("PROXY line of another protocol than TCP4, TCP6 and UNKNOWN")
    if len(words) != 5:
        return Malformed("PROXY line without two addresses and two ports")
    source = _address(words[0], words[1], words[3])
    destination = _address(words[0], words[2], words[4])
    if source is None or destination is None:
        return Malformed(f"PROXY line with an address or port that is none of {words[0]}")
    return ProxyHeader(size, source, destination)


def _address(protocol: str, host: str, port: str) -> TcpAddress | None:
    if not _PORT.fullmatch(port) or int(port) > 65535 or "%" in host:  # IPv6Address takes a zone, which is no address
        return None
    try:
        ip = ipaddress.IPv4Address(host) if protocol == "TCP4" else ipaddress.IPv6Address(host)
    except ValueError:
        return None
    return _tcp(ip, int(port))


def _parse_v2(data: bytes) -> ProxyHeader | Malformed | None:
    """§2.2: a head of 16 bytes, the addresses, the optional fields."""
    if len(data) < _V2_HEAD:
        return None
    command, kind = data[12], data[13]
    length = int.from_bytes(data[14:16], "big")
    if command not in (_LOCAL, _PROXY):
        return Malformed(f"PROXY header with version and command 0x{command:02x}, which version 2 does not have")
    if command == _PROXY and kind not in _BLOCKS:
        return Malformed(f"PROXY header with family and transport 0x{kind:02x}, which version 2 does not have")
    if command == _PROXY and length < _BLOCKS[kind]:
        return Malformed("PROXY header that ends within its addresses")
    size = _V2_HEAD + length
    if size > MAX_V2:
        return Malformed(f"PROXY header of {size} bytes: at most {MAX_V2} are taken")
    if len(data) < size:
        return None
    if command == _LOCAL or kind == _UNSPEC:  # "the receiver must … discard the protocol block"
        return ProxyHeader(size)
    block = data[_V2_HEAD : _V2_HEAD + _BLOCKS[kind]]
    if len(block) == 216:
        return ProxyHeader(size, _unix(block[:108]), _unix(block[108:]))
    half = len(block) // 2 - 2  # bytes of an address; the ports stand behind both
    source, destination = ipaddress.ip_address(block[:half]), ipaddress.ip_address(block[half : 2 * half])
    ports = block[2 * half :]
    return ProxyHeader(
        size,
        _tcp(source, int.from_bytes(ports[:2], "big")),
        _tcp(destination, int.from_bytes(ports[2:], "big")),
    )


def _tcp(ip: _Ip, port: int) -> TcpAddress:
    """In the form in which addresses are compared: a client of IPv4 on a dual-stack socket is one of IPv4."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return TcpAddress(str(mapped or ip), port)


def _unix(raw: bytes) -> UnixAddress:
    """A socket's path, up to its zero byte; an abstract name, which begins with one, has an @ there (unix(7)).

    It is for reading: what is not printable ASCII is escaped.
    """
    path = b"@" + raw[1:].rstrip(b"\0") if raw.startswith(b"\0") and raw.strip(b"\0") else raw.partition(b"\0")[0]
    return UnixAddress(_NOT_PRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", path.decode("latin-1")))
