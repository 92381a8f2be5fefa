"""Who a client is, and what its backend is told about it.

Three may say who it is, each believed on the word of the one before: the socket; a balancer that speaks the PROXY
protocol; proxies that write X-Forwarded-* or Forwarded (RFC 7239). Every proxy appends what it knows on the right, so
these are read from the right, and only as long as the one who wrote an element is in ``trusted_proxies``. What stands
further left may be anybody's invention: it decides nothing and goes no further.

A proxy that we trust may still hand on, as a stranger wrote it, the kind of field that it does not write itself. So the
two kinds are never mixed: Forwarded is read only where there is no X-Forwarded-For, -Proto, -Host or -Port.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wsgate.net.tls.handshake import ClientCertificate
from wsgate.relay.session_info import ClientInfo
from wsgate.settings.model import Address, Network, ProxyVersion, TcpAddress, UnixAddress
from wsgate.text.host import is_host_field
from wsgate.text.token import is_token
from wsgate.wire.headers import Headers, elements, values
from wsgate.wire.http import Request
from wsgate.wire.proxy_protocol import encode

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_DEFAULT_PORTS = {b"http": 80, b"https": 443}
# What proxies say of WebSocket's own schemes too: Traefik writes ws and wss
_SCHEMES = {b"http": b"http", b"ws": b"http", b"https": b"https", b"wss": b"https"}
_X_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"})

_PORT = re.compile(rb":([0-9]{1,5})\Z")
_ANY_PORT = re.compile(rb":[0-9]*\Z")
# An IP address with or without a port, IPv6 then in brackets (RFC 7239 §6); what a proxy hides its port behind is none
_NODE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")
# RFC 7239 §4, with the white space around ";" that is seen though the grammar has none
# No possessive group: in Python 3.11.2 (Debian 12) one that fails half-way keeps what it took, and "for=h;x=" is one.
_PAIR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++|\"[^\"\\]*+(?:\\.[^\"\\]*+)*\")"
_ELEMENT = re.compile(rb"[ \t]*+" + _PAIR + rb"(?:[ \t]*+;(?:[ \t]*+" + _PAIR + rb")?)*[ \t]*+")
_NAME_AND_VALUE = re.compile(rb"([^=; \t]+)=(?:\"((?:[^\"\\]|\\.)*)\"|([^\"; \t]+))")
_QUOTED_PAIR = re.compile(rb"\\(.)")


@dataclass(frozen=True, slots=True)
class RemoteEnd:
    """The other end of a connection, before it has asked for anything.

    peer: who has connected
    address: who the PROXY protocol says it is; the peer, where nobody says anything
    tls: whether it speaks TLS, and the ``certificate`` that it has shown then
    """

    peer: Address
    address: Address
    tls: bool = False
    certificate: ClientCertificate | None = None

    def client_info(self, name: str | None = None, host: str | None = None) -> ClientInfo:
        """For the log. ``name``: the client's address, where a proxy has named another; ``host`` that it asked for."""
        peer = str(self.peer)
        name = name or (peer if self.address is self.peer else str(self.address))
        return ClientInfo(
            name, None if peer == name else peer, self.certificate.subject if self.certificate else None, None, host
        )


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from, as far as it is sure.

    chain: the IP addresses of the client and of the proxies that passed its request on, the last one's at the end; a
    Unix socket's peer has none
    scheme: ``b"http"`` or ``b"https"``, as the client spoke
    host, port: what the client asked for; ``host`` may have the port in it, or be empty
    proxied: whether somebody stands between the client and us, of whom we know
    """

    info: ClientInfo
    chain: tuple[str, ...]
    scheme: bytes
    host: bytes
    port: int
    proxied: bool
    certificate: ClientCertificate | None = None

    @property
    def name(self) -> bytes:
        """The host without the port."""
        return _ANY_PORT.sub(b"", self.host)


@dataclass(frozen=True, slots=True)
class _Said:
    """What proxies that are trusted say. ``hops`` are those in front of the peer, the nearest first."""

    hops: Sequence[IpAddress] = ()
    scheme: bytes | None = None
    host: bytes | None = None
    port: int | None = None


def is_among(address: Address, networks: Iterable[Network]) -> bool:
    """Whether a peer is in one of the networks."""
    if isinstance(address, UnixAddress):
        return any(network.ip is None for network in networks)
    return _is_in(ipaddress.ip_address(_host(address)), networks)


def client_of(end: RemoteEnd, request: Request, trusted: Sequence[Network]) -> Client:
    """Where a request comes from. ``trusted``: the proxies that are believed."""
    said = _Said()
    believed = bool(trusted) and is_among(end.address, trusted)
    if believed:
        headers = request.headers
        x_forwarded = not _X_FORWARDED.isdisjoint(name for name, _ in headers)
        said = _read_x_forwarded(headers, trusted) if x_forwarded else _read_forwarded(headers, trusted)
    hops = [str(hop) for hop in reversed(said.hops)]
    peer = [_host(end.address)] if isinstance(end.address, TcpAddress) else []
    scheme = said.scheme or (b"https" if end.tls else b"http")
    # A proxy that names the host names its port too, where it is not the scheme's own; the one in Host may be ours
    named = _port(said.host) or said.port if said.host else said.port or _port(request.host)
    port = named or _DEFAULT_PORTS[scheme]
    host = said.host or request.host
    return Client(
        end.client_info(hops[0] if hops else None, host.decode("latin-1") or None),
        (*hops, *peer),
        scheme,
        host,
        port,
        proxied=believed or end.address != end.peer,
        certificate=end.certificate,
    )


def backend_fields(client: Client) -> Headers:
    """What a backend is told about the client: written anew, never copied from a stranger."""
    fields = [(b"X-Forwarded-Proto", client.scheme), (b"X-Forwarded-Port", b"%d" % client.port)]
    if client.host:
        fields.append((b"X-Forwarded-Host", client.host))
    if client.chain:
        fields.append((b"X-Forwarded-For", ", ".join(client.chain).encode()))
    fields.append((b"Forwarded", _forwarded(client)))
    if (certificate := client.certificate) is not None:
        fields += [
            (b"X-Client-Cert-Verify", b"SUCCESS"),  # nginx's word, $ssl_client_verify
            (b"X-Client-Cert-Subject", certificate.subject.encode("ascii")),
            (b"X-Client-Cert-Issuer", certificate.issuer.encode("ascii")),
            (b"X-Client-Cert-Serial", certificate.serial.encode("ascii")),
            (b"X-Client-Cert-Fingerprint", certificate.fingerprint.encode("ascii")),
        ]
    return fields


def proxy_header(version: ProxyVersion, end: RemoteEnd, client: Client, here: Address) -> bytes:
    """What a TCP service is told about the client, in front of everything else. ``here`` is where it has connected to.

    A client that came through proxies has port 0: they name none.
    """
    source = end.address
    if client.chain and (isinstance(source, UnixAddress) or len(client.chain) > 1):
        source = TcpAddress(client.chain[0], 0)
    return encode(version, source, here)


def _forwarded(client: Client) -> bytes:
    """RFC 7239 §4. An IPv6 address is quoted, in brackets (§6); a client without an address is "unknown" (§6.2)."""
    nodes = [b'for="[%s]"' % host.encode() if ":" in host else b"for=" + host.encode() for host in client.chain]
    first, *others = nodes or [b"for=unknown"]
    host = client.host
    asked = b";host=" + (host if is_token(host) else b'"%s"' % host) if host else b""
    return b", ".join([first + asked + b";proto=" + client.scheme, *others])


def _read_x_forwarded(headers: Headers, trusted: Sequence[Network]) -> _Said:
    hops: list[IpAddress] = []
    proxies = 1
    for proxies, element in enumerate(reversed(elements(headers, b"x-forwarded-for")), 1):  # noqa: B007
        hop = _node(element)
        if hop is None:
            break
        hops.append(hop)
        if not _is_in(hop, trusted):
            break
    # Where the proxies append to these too, the one that met the client has written as far to the left as its address
    scheme, host, port = (
        _from_right(elements(headers, b"x-forwarded-" + name), proxies) for name in (b"proto", b"host", b"port")
    )
    return _Said(hops, _scheme(scheme), _checked_host(host), _port(b":" + port) if port else None)


def _from_right(written: Sequence[bytes], number: int) -> bytes | None:
    return written[-min(number, len(written))] if written else None


def _read_forwarded(headers: Headers, trusted: Sequence[Network]) -> _Said:
    hops: list[IpAddress] = []
    last: dict[bytes, bytes] = {}
    for element in _forwarded_from_right(headers):
        last = element
        hop = _node(element.get(b"for", b""))
        if hop is None:
            break
        hops.append(hop)
        if not _is_in(hop, trusted):
            break
    return _Said(hops, _scheme(last.get(b"proto")), _checked_host(last.get(b"host")))


def _forwarded_from_right(headers: Headers) -> Iterator[dict[bytes, bytes]]:
    """The elements of Forwarded, the last one first; ends at the first that is none.

    They are taken off at the right, not split from the left: a quotation mark that a stranger left open would swallow
    what a proxy has appended.
    """
    for text in reversed(values(headers, b"forwarded")):
        end = len(text)
        while end >= 0:
            comma = text.rfind(b",", 0, end)
            if text[comma + 1 : end].strip(b" \t"):  # RFC 9110 §5.6.1.2: empty elements do not count
                while not (element := _ELEMENT.fullmatch(text, comma + 1, end)):
                    if comma < 0:
                        return
                    comma = text.rfind(b",", 0, comma)
                yield _pairs(element[0])
            end = comma


def _pairs(element: bytes) -> dict[bytes, bytes]:
    return {
        found[1].lower(): found[3] or _QUOTED_PAIR.sub(rb"\1", found[2] or b"")
        for found in _NAME_AND_VALUE.finditer(element)
    }


def _node(text: bytes) -> IpAddress | None:
    """The address of an element; ``None`` for "unknown", for names that hide one (RFC 7239 §6.3) and for nonsense."""
    if b"%" in text:  # a zone, which ip_address takes, means nothing here (RFC 4007 §11.2)
        return None
    name = text.decode("latin-1")
    found = _NODE.fullmatch(name)
    try:
        ip = ipaddress.ip_address(name if found is None else found[1] or found[2])
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def _is_in(ip: IpAddress, networks: Iterable[Network]) -> bool:
    return any(network.ip is not None and ip in network.ip for network in networks)


def _host(address: TcpAddress) -> str:
    """Without the zone of a link-local address, which means nothing to anybody else."""
    return address.host.partition("%")[0]


def _scheme(said: bytes | None) -> bytes | None:
    return _SCHEMES.get(said.lower()) if said else None


def _checked_host(said: bytes | None) -> bytes | None:
    return said if said and is_host_field(said) else None


def _port(host: bytes) -> int | None:
    """The port in an authority."""
    found = _PORT.search(host)
    return int(found[1]) if found and 1 <= int(found[1]) <= 65535 else None
