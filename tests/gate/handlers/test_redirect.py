"""The redirect handler: where requests are sent, and that no stranger decides that."""

from __future__ import annotations

import ipaddress
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gate.conftest import StartGate, at, below, exchange_for, route
from tests.peers.heads import plain_request, request
from wsgate.gate.exchange import Response
from wsgate.gate.handlers.redirect import NO_HOST, handle
from wsgate.settings.fixed import PLACEHOLDERS, redirect_target
from wsgate.settings.model import Match, Network, Redirect
from wsgate.settings.path_patterns import path_pattern
from wsgate.text.error import TextError
from wsgate.wire.http import Request


async def sent_to(to: str, target: bytes, host: bytes = b"a.test:8080", match: Match = Match()) -> bytes:  # noqa: B008
    assert redirect_target(to) == to
    asked = Request(b"GET", target, host, b"1.1", [(b"host", host)], [(b"Host", host)])
    response = await handle(exchange_for(route(Redirect(to=to), match=match), asked))
    assert isinstance(response, Response)
    assert response.status == 302
    found = dict(response.headers)
    assert found.pop(b"Content-Length") == b"0"
    return found[b"Location"]


OLD = below("/old/")
ROOM = Match(path=path_pattern("~/d/(?P<room>.*)"))


@pytest.mark.parametrize(
    ("to", "target", "match", "expected"),
    [
        ("https://new.test", b"/a?b", Match(), b"https://new.test"),
        ("https://new.test/x?y=1#z", b"/a?b", Match(), b"https://new.test/x?y=1#z"),
        ("https://new.test{path}{query}", b"/a/b?c=d&e", Match(), b"https://new.test/a/b?c=d&e"),
        ("https://new.test{path}{query}", b"/a", Match(), b"https://new.test/a"),
        ("https://new.test{path}{query}", b"/a?", Match(), b"https://new.test/a?"),
        ("https://www.{host}{path}", b"/a", Match(), b"https://www.a.test/a"),
        ("https://{host}:8443{path}", b"/a", Match(), b"https://a.test:8443/a"),
        ("/new/{rest}{query}", b"/old/a/b?c", OLD, b"/new/a/b?c"),
        ("/new/{rest}", b"/old/", OLD, b"/new/"),
        ("/new/{rest}", b"/old/a", at("/old/a"), b"/new/old/a"),
        ("/new{path}", b"/old", at("/old"), b"/new/old"),
        # the path in its normal form, the query as it was sent, but for bytes that no URL has
        ("{path}/", b"/a/./b/../%63//d", Match(), b"/a/c/d/"),
        ("/x{query}", b"/a?q=\xc3\xa9%20{path}", Match(), b"/x?q=%C3%A9%20{path}"),
        ("/x{path}", b"/{host}", Match(), b"/x/%7Bhost%7D"),
        # two slashes would begin a host
        ("{path}", b"//evil.test", Match(), b"/evil.test"),
        ("/{path}", b"/evil.test", Match(), b"/evil.test"),
        ("{path}{path}", b"/", Match(), b"/"),
        ("{path}/evil.test", b"/", Match(), b"/evil.test"),
        ("/{rest}", b"/\\evil.test", Match(), b"/%5Cevil.test"),
        ("/{rest}", b"/old//evil.test", OLD, b"/evil.test"),
        # groups of an expression
        ("/rooms/{room}{query}", b"/d/%63/e?f", ROOM, b"/rooms/c/e?f"),
        ("https://new.test/{1}?from={path}", b"/d/e", ROOM, b"https://new.test/e?from=/d/e"),
        ("/{room}", b"/d//evil.test", ROOM, b"/evil.test"),
        ("/{2}{1}", b"/d/e", Match(path=path_pattern("~/d/(e)(x)?$")), b"/e"),
    ],
)
async def test_where_it_leads(to: str, target: bytes, match: Match, expected: bytes) -> None:
    assert await sent_to(to, target, match=match) == expected


@pytest.mark.parametrize(("host", "expected"), [(b"a.test", b"a.test"), (b"[::1]:80", b"[::1]")])
async def test_the_host_that_was_asked_for(host: bytes, expected: bytes) -> None:
    assert await sent_to("https://{host}/", b"/", host) == b"https://" + expected + b"/"


async def test_redirect_uses_forwarded_host_of_trusted_proxy() -> None:
    asked = plain_request("/", **{"X-Forwarded-Host": "b.test"})
    redirect = route(Redirect(to="https://{host}/"))
    for trusted, host in (((), b"gateway.test"), ((Network(ipaddress.ip_network("192.0.2.0/24")),), b"b.test")):
        response = await handle(exchange_for(redirect, asked, trusted=trusted))
        assert isinstance(response, Response)
        assert response.headers[0] == (b"Location", b"https://" + host + b"/")


async def test_a_request_without_a_host() -> None:
    asked = Request(b"GET", b"/", b"", b"1.0", [], [])
    assert await handle(exchange_for(route(Redirect(to="https://{host}/")), asked)) is NO_HOST
    assert isinstance(await handle(exchange_for(route(Redirect(to="https://a.test/")), asked)), Response)


async def test_the_connection_goes_on(start_gate: StartGate) -> None:
    peer = start_gate(route(Redirect(to="/new{path}", status=308))).connect()
    for method in (b"GET", b"HEAD", b"POST"):
        await peer.write(plain_request("/a").replace(b"GET", method))
        head = await peer.read_head()
        assert (head.status, head.one("Location"), head.one("Content-Length")) == (308, "/new/a", "0")
    await peer.write(request("/a"))
    assert (await peer.read_head()).status == 404


PARTS = [*PLACEHOLDERS, "/", "//", ".", "?", "#", "a", "https://", "our.test", ":8443", "%2F", "@", "\\"]
SENT = ["/", "//", "evil.test", "\\", "@evil.test", ".", "..", "%2f", "%5c", "?", "%0d%0a", "\xff", ":", "{host}", ";"]


@given(st.lists(st.sampled_from(PARTS), max_size=5), st.lists(st.sampled_from(SENT), max_size=6), st.booleans())
async def test_no_stranger_decides_the_host(parts: list[str], sent: list[str], is_old: bool) -> None:
    to = "".join(parts)
    try:
        redirect_target(to)
    except TextError:
        return
    target = ("/old/" if is_old else "/") + "".join(sent)
    found = await sent_to(to, target.encode("latin-1"), b"visited.test", OLD if is_old else Match())
    assert not any(byte <= 0x20 or byte >= 0x7F or byte == ord("\\") for byte in found)
    reached = urlsplit(urljoin("http://visited.test/", found.decode())).hostname
    ours = urlsplit(to.replace("{host}", "visited.test").replace("{path}", "/").replace("{query}", "?")).hostname
    assert reached == ("visited.test" if to.startswith(("/", "{path}")) else ours)
