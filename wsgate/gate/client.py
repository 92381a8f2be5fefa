"""Determines the client of a request, and what its backend is told about it.

There are three sources, each trusted only if the one before is: the socket, a load balancer's PROXY header, and proxies
that write X-Forwarded-* or Forwarded (RFC 7239). Every proxy appends its element on the right. So elements are read
from the right, as long as the writer of an element is in ``trusted_proxies``. Elements further to the left may be
forged: they are not used and not passed on.

A trusted proxy may pass on the kind of field that it does not write itself, as a client wrote it. So the two kinds are
never mixed: Forwarded is read only if there is no X-Forwarded-For, -Proto, -Host or -Port.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from wsgate.net.tls.handshake import ClientCertificate
from wsgate.relay.session_info import ClientInfo
from wsgate.settings.model import Address, Network, ProxyVersion, TcpAddress, UnixAddress
from wsgate.site.hashing import network
from wsgate.text.host import is_host_field
from wsgate.text.token import is_token
from wsgate.wire.headers import Headers, elements, values
from wsgate.wire.http import Request
from wsgate.wire.proxy_protocol import encode

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_AGENT = 200  # bytes of a User-Agent, which a session keeps for its lines in the log
_DEFAULT_PORTS = {b"http": 80, b"https": 443}
# Some proxies write WebSocket's schemes: Traefik writes ws and wss
_SCHEMES = {b"http": b"http", b"ws": b"http", b"https": b"https", b"wss": b"https"}
_X_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"})

_PORT = re.compile(rb":([0-9]{1,5})\Z")
_ANY_PORT = re.compile(rb":[0-9]*\Z")
# An IP address with or without a port, IPv6 with a port in brackets (RFC 7239 §6); an obfuscated port is ignored
_NODE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")
# RFC 7239 §4, also with white space around ";", which occurs although the grammar does not allow it.
# No possessive group: in Python 3.11.2 (Debian 12) it wrongly matches "for=h;x=".
_PAIR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++|\"[^\"\\]*+(?:\\.[^\"\\]*+)*\")"
_ELEMENT = re.compile(rb"[ \t]*+" + _PAIR + rb"(?:[ \t]*+;(?:[ \t]*+" + _PAIR + rb")?)*[ \t]*+")
_NAME_AND_VALUE = re.compile(rb"([^=; \t]+)=(?:\"((?:[^\"\\]|\\.)*)\"|([^\"; \t]+))")
_QUOTED_PAIR = re.compile(rb"\\(.)")


@dataclass(slots=True)
class RemoteEnd:
    """The other end of a connection, before its first request.

    peer: the address of the socket's other end
    address: the address in the PROXY header; the peer's without one
    tls: whether it uses TLS
    certificate: the client certificate; ``None`` without one
    counted_as: as ``counted_address`` returns it
    """

    peer: Address
    address: Address
    tls: bool = False
    certificate: ClientCertificate | None = None
    counted_as: str | None = None
    # The client of the last request, by what it depends on: on a kept connection it is mostly the same again
    last: tuple[tuple[bytes, str | None], Client] | None = field(default=None, init=False, repr=False, compare=False)

    def client_info(self, name: str | None = None, host: str | None = None, agent: str | None = None) -> ClientInfo:
        """Returns the client's data for the log.

        name: the client's address as a trusted proxy tells it; ``None`` without one
        host: that the client asked for
        agent: its User-Agent
        """
        peer = str(self.peer)
        name = name or (peer if self.address is self.peer else str(self.address))
        return ClientInfo(
            name,
            None if peer == name else peer,
            self.certificate.subject if self.certificate else None,
            host=host,
            agent=agent,
        )


@dataclass(slots=True)
class Client:
    """The client of a request, as far as trusted sources tell.

    info: for the log
    chain: the IP addresses of the client and of the proxies in order, the nearest proxy at the end; without that of a
    Unix socket's peer, which has none
    scheme: ``b"http"`` or ``b"https"``, as the client used it
    host, port: that the client asked for; ``host`` may include the port, or be empty
    proxied: whether a known proxy or balancer is between the client and the gateway
    trusted: whether the request comes from one of the trusted proxies
    counted_as: the address that limits count it by, of IPv6 the /64; ``None`` over a Unix socket, and for a trusted
        proxy that names no client
    """

    info: ClientInfo
    chain: tuple[str, ...]
    scheme: bytes
    host: bytes
    port: int
    proxied: bool
    certificate: ClientCertificate | None = None
    trusted: bool = False
    counted_as: str | None = None
    fields: Headers | None = field(default=None, init=False, repr=False, compare=False)  # made by ``backend_fields``

    @property
    def name(self) -> bytes:
        """The host without the port."""
        return _ANY_PORT.sub(b"", self.host)


@dataclass(slots=True)
class _ProxyInfo:
    """What trusted proxies tell. ``hops``: the addresses in front of the peer, the nearest first."""

    hops: Sequence[IpAddress] = ()
    scheme: bytes | None = None
    host: bytes | None = None
    port: int | None = None


_NOTHING_SAID = _ProxyInfo()


def is_among(address: Address, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of the networks."""
    if isinstance(address, UnixAddress):
        return any(network.ip is None for network in networks)
    return _is_in(ipaddress.ip_address(_host(address)), networks)


def counted_address(address: Address, trusted: Sequence[Network]) -> str | None:
    """Returns what a connection is counted by before its request: the address, of IPv6 the /64; ``None``: it is not
    counted, because it is a trusted proxy's, or comes over a Unix socket."""
    if isinstance(address, UnixAddress) or (trusted and is_among(address, trusted)):
        return None
    return network(_host(address))


def client_of(end: RemoteEnd, request: Request, trusted: Sequence[Network]) -> Client:
    """Returns the client of a request. ``trusted``: the networks of trusted proxies."""
    said = _NOTHING_SAID
    believed = bool(trusted) and is_among(end.address, trusted)
    key = request.host, _agent(request)
    if not believed and end.last is not None and end.last[0] == key:
        return end.last[1]
    if believed:
        headers = request.headers
        x_forwarded = not _X_FORWARDED.isdisjoint(name for name, _ in headers)
        said = _read_x_forwarded(headers, trusted) if x_forwarded else _read_forwarded(headers, trusted)
    hops = [str(hop) for hop in reversed(said.hops)]
    peer = [_host(end.address)] if isinstance(end.address, TcpAddress) else []
    scheme = said.scheme or (b"https" if end.tls else b"http")
    # A proxy that tells the host also tells its port, if it is not the default; the port in Host may be the gateway's
    named = _port(said.host) or said.port if said.host else said.port or _port(request.host)
    port = named or _DEFAULT_PORTS[scheme]
    host = said.host or request.host
    client = Client(
        end.client_info(hops[0] if hops else None, host.decode("latin-1") or None, key[1]),
        (*hops, *peer),
        scheme,
        host,
        port,
        proxied=believed or end.address != end.peer,
        certificate=end.certificate,
        trusted=believed,
        counted_as=network(hops[0]) if hops else None if believed or not peer else network(peer[0]),
    )
    end.last = None if believed else (key, client)
    return client


def _agent(request: Request) -> str | None:
    """Returns the User-Agent, as much of it as a session keeps for its lines in the log."""
    sent = values(request.headers, b"user-agent")
    return sent[0][:MAX_AGENT].decode("latin-1") if sent else None


def backend_fields(client: Client) -> list[tuple[bytes, bytes]]:
    """Returns the fields that tell a backend about the client: made here, never copied from an untrusted request."""
    if client.fields is None:
        client.fields = _backend_fields(client)
    return [*client.fields]


def _backend_fields(client: Client) -> Headers:
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
    """Returns the PROXY header that tells a TCP service the client's address.

    A client behind HTTP proxies gets port 0, because they do not tell it.

    here: the address that the client's connection was accepted on
    """
    source = end.address
    if client.chain and (isinstance(source, UnixAddress) or len(client.chain) > 1):
        source = TcpAddress(client.chain[0], 0)
    return encode(version, source, here)


def _forwarded(client: Client) -> bytes:
    """Returns the value of Forwarded (RFC 7239 §4). An IPv6 address is quoted, in brackets (§6); a client without an
    address is "unknown" (§6.2)."""
    nodes = [b'for="[%s]"' % host.encode() if ":" in host else b"for=" + host.encode() for host in client.chain]
    first, *others = nodes or [b"for=unknown"]
    host = client.host
    asked = b";host=" + (host if is_token(host) else b'"%s"' % host) if host else b""
    return b", ".join([first + asked + b";proto=" + client.scheme, *others])


def _read_x_forwarded(headers: Headers, trusted: Sequence[Network]) -> _ProxyInfo:
    hops: list[IpAddress] = []
    proxies = 1
    for proxies, element in enumerate(reversed(elements(headers, b"x-forwarded-for")), 1):  # noqa: B007
        hop = _node(element)
        if hop is None:
            break
        hops.append(hop)
        if not _is_in(hop, trusted):
            break
    # If proxies append to these fields too, the element of the first proxy has the same place from the right as its
    # address
    scheme, host, port = (
        _from_right(elements(headers, b"x-forwarded-" + name), proxies) for name in (b"proto", b"host", b"port")
    )
    return _ProxyInfo(hops, _scheme(scheme), _checked_host(host), _port(b":" + port) if port else None)


def _from_right(written: Sequence[bytes], number: int) -> bytes | None:
    return written[-min(number, len(written))] if written else None


def _read_forwarded(headers: Headers, trusted: Sequence[Network]) -> _ProxyInfo:
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
    return _ProxyInfo(hops, _scheme(last.get(b"proto")), _checked_host(last.get(b"host")))


def _forwarded_from_right(headers: Headers) -> Iterator[dict[bytes, bytes]]:
    """Yields the elements of Forwarded, the last one first; ends at a malformed one.

    They are parsed from the right: parsing from the left, a quotation mark that a client left open would hide what a
    proxy has appended.
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
    """Returns the address of an element; ``None`` for "unknown", obfuscated names (RFC 7239 §6.3) and malformed
    ones."""
    if b"%" in text:  # ip_address accepts a zone, which has no meaning on this host (RFC 4007 §11.2)
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
    """Returns the host without the zone of a link-local address, which has a meaning only on this host."""
    return address.host.partition("%")[0]


def _scheme(said: bytes | None) -> bytes | None:
    return _SCHEMES.get(said.lower()) if said else None


def _checked_host(said: bytes | None) -> bytes | None:
    return said if said and is_host_field(said) else None


def _port(host: bytes) -> int | None:
    """Returns the port in an authority; ``None`` without a valid one."""
    found = _PORT.search(host)
    return int(found[1]) if found and 1 <= int(found[1]) <= 65535 else None
