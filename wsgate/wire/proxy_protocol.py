"""The PROXY protocol, versions 1 and 2: a load balancer tells the client's address in front of the first byte.

``parse`` reads the header that a balancer sent; ``encode`` makes the one that a backend gets. Both follow HAProxy's
doc/proxy-protocol.txt; its sections are cited. The optional fields (TLVs) behind the addresses of version 2 are
skipped unread, also the checksum: TCP has one of its own.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from wsgate.settings.model import Address, ProxyVersion, TcpAddress, UnixAddress

MAX_V1 = 107  # bytes of a line with its CRLF (§2.1)
MAX_V2 = 4096  # bytes; §2.2 allows 65551, nginx takes 4096, and real headers have a few hundred

_V1 = b"PROXY "
_V2 = b"\r\n\r\n\x00\r\nQUIT\n"  # §2.2
BEGINNINGS = (_V1, _V2)  # no HTTP request and no TLS record begins so
_V2_HEAD = 16  # bytes: the signature, version and command, family and transport, length
_NOT_PRINTABLE = re.compile(r"[^ -~]")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOCAL, _PROXY = 0x20, 0x21
_UNSPEC, _TCP4, _TCP6 = 0x00, 0x11, 0x21
# The bytes of both addresses, by family and transport (§2.2). What §2.2 does not list "must be rejected as invalid".
# Datagram transports are accepted too: balancers take WebSocket over QUIC.
_BLOCKS = {_UNSPEC: 0, _TCP4: 12, 0x12: 12, _TCP6: 36, 0x22: 36, 0x31: 216, 0x32: 216}


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A PROXY header: which address connected to which one at the balancer.

    size: bytes of the header; the connection's own bytes follow
    source, destination: ``None`` if the balancer does not know them (UNKNOWN, UNSPEC) or connected for itself (LOCAL,
    a health check): the socket's own addresses count then
    """

    size: int
    source: Address | None = None
    destination: Address | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """The bytes are no PROXY header. ``reason`` is for the log."""

    reason: str


def parse(data: bytes) -> ProxyHeader | Malformed | None:
    """Returns the header that ``data`` begins with; ``None`` while the header is incomplete.

    data: all bytes of the connection so far
    """
    if data.startswith(_V1[: len(data)]):
        return _parse_v1(data)
    if data.startswith(_V2[: len(data)]):
        return _parse_v2(data)
    return Malformed("no PROXY header in front of the first byte")


def encode(version: ProxyVersion, source: Address | None, destination: Address | None) -> bytes:
    """Returns the header that says that ``source`` has connected to ``destination``.

    If the two are of different families, IPv4 is written as mapped IPv6, as on a dual-stack socket. If the source has
    no IP address, the header says that it is unknown, as HAProxy's does. If only the destination has none (a Unix
    socket), the unspecified address and port 0 replace it, so that the backend still gets the source.
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
    """Returns IP and port, without a zone, which has a meaning only on this host; mapped IPv4 becomes IPv4."""
    if not isinstance(address, TcpAddress):
        return None
    ip = ipaddress.ip_address(address.host.partition("%")[0])
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip, address.port


def _map(ip: _Ip) -> ipaddress.IPv6Address:
    """Maps IPv4 to IPv6 (RFC 4291 §2.5.5.2)."""
    return ip if isinstance(ip, ipaddress.IPv6Address) else ipaddress.IPv6Address((0xFFFF << 32) | int(ip))


def _parse_v1(data: bytes) -> ProxyHeader | Malformed | None:
    """Parses one line whose words are separated by exactly one space (§2.1)."""
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
    if not _PORT.fullmatch(port) or int(port) > 65535 or "%" in host:  # IPv6Address accepts a zone; §2.1 does not
        return None
    try:
        ip = ipaddress.IPv4Address(host) if protocol == "TCP4" else ipaddress.IPv6Address(host)
    except ValueError:
        return None
    return _tcp(ip, int(port))


def _parse_v2(data: bytes) -> ProxyHeader | Malformed | None:
    """Parses a head of 16 bytes, the addresses and the optional fields (§2.2)."""
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
    half = len(block) // 2 - 2  # bytes of an address; both ports follow both addresses
    source, destination = ipaddress.ip_address(block[:half]), ipaddress.ip_address(block[half : 2 * half])
    ports = block[2 * half :]
    return ProxyHeader(
        size,
        _tcp(source, int.from_bytes(ports[:2], "big")),
        _tcp(destination, int.from_bytes(ports[2:], "big")),
    )


def _tcp(ip: _Ip, port: int) -> TcpAddress:
    """Makes an address in the form in which they are compared: IPv4 that a dual-stack socket mapped becomes IPv4."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return TcpAddress(str(mapped or ip), port)


def _unix(raw: bytes) -> UnixAddress:
    """Makes an address for display from a socket's path, which ends at its zero byte.

    An abstract name begins with a zero byte, shown as @ (unix(7)). Characters other than printable ASCII are escaped.
    """
    path = b"@" + raw[1:].rstrip(b"\0") if raw.startswith(b"\0") and raw.strip(b"\0") else raw.partition(b"\0")[0]
    return UnixAddress(_NOT_PRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", path.decode("latin-1")))
