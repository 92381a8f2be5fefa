"""The origin of a request, and the values in it: fields of untrusted clients and proxies are parsed, and written
again."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from random import Random

from tests.peers.heads import KEY
from tests.peers.heads import request as upgrade_request
from wsgate.gate.client import Client, RemoteEnd, backend_fields, client_of
from wsgate.gate.request_values import find_value, path_for_log
from wsgate.settings.model import Files, Network, Place, PlaceKind, Route, TcpAddress, Token, Tunnel
from wsgate.wire.handshake import BackendHandshake, Upgrade, check_upgrade
from wsgate.wire.http import HttpServer, Request

from .inputs import chance, mutated, some

_FIELDS = [
    *(b"X-Forwarded-For: 192.0.2.1, 10.0.0.9", b"X-Forwarded-For: ::ffff:10.0.0.1, [2001:db8::1]:80, unknown"),
    *(
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Proto: gopher, http",
        b"X-Forwarded-Host: a b, h:1",
        b"X-Forwarded-Port: 0",
    ),
    *(b"X-Forwarded-Port: 65536", b"X-Forwarded-Host: [::1]:443", b"X-Forwarded-Host: \xff", b"X-Forwarded-For: 1.2.3"),
    b'Forwarded: for=192.0.2.1;host="a:1";proto=https, for="[2001:db8::1%25eth0]:80"',
    *(b"Forwarded: for=10.0.0.2;by=_x, FOR=10.0.0.3", b'Forwarded: for="\\1\\92.0.2.1', b"Forwarded: ;;,=,for=unknown"),
    *(b"Cookie: token=a%00b; token=c", b'Cookie: token="%ff', b"Authorization: Bearer  x.y", b"X-Token: \xc3\x28"),
]
_TARGETS = [b"/x/tok%20en?token=a+b&token=%00", b"/x/%ff/..?%74oken=%f0%9f%98%80", b"/?token", b"/x/" + b"%41" * 99]
_PEERS = ["10.0.0.1", "192.0.2.7", "2001:db8::2", "fe80::1%eth0"]
_TRUSTED = (Network(ipaddress.ip_network("10.0.0.0/8")),)
_ALL = (Network(ipaddress.ip_network("0.0.0.0/0")), Network(ipaddress.ip_network("::/0")))
_NAMES = {PlaceKind.HEADER: ("X-Token", "Authorization"), PlaceKind.HOST: ("",), PlaceKind.PATH: ("",)}
_ROUTE = Route(name="x", action=Files(root="/nowhere"))

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def origins(random: Random) -> None:
    """The fields for a backend are well-formed, and have the same meaning for a gateway behind it; names have no
    controls."""
    head = upgrade_request(random.choice(_TARGETS).decode("latin-1")).removesuffix(b"\r\n")
    request = _read(head + b"".join(mutated(random, field) + b"\r\n" for field in some(random, _FIELDS, 5)) + b"\r\n")
    if request is None:
        return
    peer = TcpAddress(random.choice(_PEERS), 1234)
    said = client_of(RemoteEnd(peer, peer, tls=chance(random, 2)), request, random.choice(((), _TRUSTED, _ALL)))
    _check(said)
    fields = backend_fields(said)
    upgrade = check_upgrade(request)
    assert isinstance(upgrade, Upgrade)
    passed = _read(BackendHandshake(request, upgrade, target=b"/", key=KEY.encode(), written=fields).request)
    assert passed is not None, fields
    both = [
        [field for field in passed.headers if not field[0].startswith(out)] for out in (b"forwarded", b"x-forwarded-")
    ]
    us = TcpAddress("10.9.9.9", 80)
    for headers in both:
        next_said = client_of(RemoteEnd(us, us), Request(*_parts(passed), headers, headers), _ALL)
        chain = tuple(host.partition("%")[0] for host in said.chain)
        assert tuple(host.partition("%")[0] for host in next_said.chain) == (*chain, "10.9.9.9"), (fields, headers)
    for kind in PlaceKind:
        place = Place(kind, random.choice(_NAMES.get(kind, ("token",))))
        assert not _CONTROL.search(find_value((place,), request, _ROUTE) or ""), place
        path_for_log(request, replace(_ROUTE, action=Tunnel(token=Token(from_=(place,))))).encode()


def _read(data: bytes) -> Request | None:
    server = HttpServer()
    server.receive(data)
    request = server.next_request()
    return request if isinstance(request, Request) and isinstance(check_upgrade(request), Upgrade) else None


def _parts(request: Request) -> tuple[bytes, bytes, bytes, bytes]:
    return request.method, request.target, request.host, request.version


def _check(said: Client) -> None:
    for host in said.chain:
        ipaddress.ip_address(host)
    assert said.scheme in (b"http", b"https")
    assert 0 < said.port < 65536
    assert not re.search(rb"[\x00-\x20\x7f\"\\]", said.host), said.host
