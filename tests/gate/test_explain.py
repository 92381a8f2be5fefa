from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.conftest import files_at, gateway_of, relay_to, route
from wsgate.gate.explain import NotExplained, explain
from wsgate.settings.addresses import network
from wsgate.settings.model import (
    ANY_ORIGIN,
    SAME_HOST,
    Addresses,
    Auth,
    Basic,
    ClientTarget,
    Cors,
    Headers,
    Listener,
    ListenerRedirect,
    Match,
    Place,
    PlaceKind,
    PlainHttp,
    Redirect,
    Relay,
    Respond,
    Rewrite,
    Settings,
    State,
    Target,
    TcpAddress,
    ToBackend,
    Token,
    Tunnel,
)
from wsgate.settings.path_patterns import path_pattern
from wsgate.site.build import build

PLACE = (Place(PlaceKind.QUERY, "token"),)
ROUTES = (
    route(relay_to(1), "admin", match=Match(host=("admin.test",), websocket=True)),
    route(relay_to(2), "v2", match=Match(header=(("x-v", "2"),), query=(("a", "b"),), subprotocol=("v2",))),
    route(
        relay_to(3, "/base"),
        "chat",
        match=Match(path=path_pattern("/chat/*")),
        origins=(ANY_ORIGIN,),
        auth=Auth(basic=Basic(users=("me:{PLAIN}x",))),
    ),
    route(Tunnel(to=(Target(TcpAddress("h", 5900)),)), "desk", match=Match(path=path_pattern("/desk"))),
    route(files_at(Path("/srv")), "site", match=Match(websocket=False)),
)


def lines(url: str, *headers: str) -> list[str]:
    return explain(gateway_of(*ROUTES).site, url, headers)


def test_the_route_and_what_its_backend_gets() -> None:
    assert lines("ws://x.test/chat/room?x=1") == [
        "routes[0] admin: host does not match x.test",
        "routes[1] v2: subprotocol does not match none; header does not match; query does not match",
        "routes[2] chat: takes it",
        "  pages that may open it: any",
        "  asks for basic",
        "  backend ws://127.0.0.1:3/base: GET /base/room?x=1, Host: x.test",
        "  it gets X-Forwarded-Proto: http",
        "  it gets X-Forwarded-Port: 80",
        "  it gets X-Forwarded-Host: x.test",
        "  it gets X-Forwarded-For: 127.0.0.1",
        "  it gets Forwarded: for=127.0.0.1;host=x.test;proto=http",
        "  it gets X-Request-Id: {request_id}",
        "  it gets X-Auth-User: {user}",
        "  it gets Via: 1.1 wsgate",
    ]


def test_fields_that_the_route_changes() -> None:
    """A value from the environment is not shown."""
    changes = ToBackend(
        set_=(("X-User", "{user}"), ("X-Key", "secret")), add=(("X-By", "{route}"),), remove=("cookie",)
    )
    settings = route(relay_to(3), headers=Headers(to_backend=changes))
    environment = {"routes[0].headers.to_backend.set.X-Key": "${KEY}", "routes[0].relay.to[0]": "ws://${HOST}"}
    site = gateway_of(settings, from_environment=environment).site
    sent = ("Cookie: a=b", "X_User: me", "X-Other: 1", "X-Real-IP: 192.0.2.1", "Keep-Alive: 5")
    found = explain(site, "ws://x.test/", sent)
    assert [line.strip() for line in found if "Forwarded" not in line][2:] == [
        "it gets X-Request-Id: {request_id}",
        "it gets X-User: {user}",
        "it gets X-Key: ${KEY}",
        "it gets X-By: it",
        "it gets Via: 1.1 wsgate",
        "it does not get Cookie: a=b",
        "it does not get X_User: me",
        "it does not get X-Real-IP: 192.0.2.1",
        "it does not get Keep-Alive: 5",
    ]
    changes = ToBackend(remove=("via",))
    pages = (SAME_HOST, "https://a.test")
    api = route(relay_to(3), http=PlainHttp.FORWARD, origins=pages, cors=Cors(), headers=Headers(to_backend=changes))
    site = gateway_of(api).site
    found = explain(site, "http://x.test/")
    assert "  pages that may read its answers: https://a.test" in found
    assert not any("Via" in line for line in found)


def test_fields_that_are_sent() -> None:
    found = lines("wss://x.test/?a=b", "X-V: 2", "Sec-WebSocket-Protocol: v2")
    assert found[1] == "routes[1] v2: takes it"


def test_a_rewritten_path() -> None:
    plain = route(relay_to(1, rewrite=Rewrite(strip="/chat")))
    found = explain(gateway_of(plain).site, "ws://x.test/chat/a%2Bb?q")
    assert found[1] == "  backend ws://127.0.0.1:1: GET /a%2Bb?q, Host: x.test"
    groups = route(
        relay_to(1, "/base", rewrite=Rewrite(to="/rooms/{room}")), match=Match(path=path_pattern("~/d/(?P<room>.*)"))
    )
    site = gateway_of(groups).site
    assert explain(site, "ws://x.test/d/7/x?q")[1].endswith(": GET /base/rooms/7/x?q, Host: x.test")
    assert explain(site, "ws://x.test/d/..%2fx")[-1] == (
        "  answer: 400 this path leads out of where it begins (it has dot segments beside an encoded slash, \\ or ;)"
    )


def test_addresses_of_the_listener_and_of_the_route() -> None:
    """Nobody asks from an address here, so nobody is refused."""
    office = Addresses(allow=(network("192.0.2.0/24"), network("unix")), deny=(network("192.0.2.66"),))
    banned = Addresses(deny=(network("203.0.113.0/24"),))
    listener = Listener(bind=TcpAddress("127.0.0.1", 8080), addresses=banned)
    site = gateway_of(route(relay_to(1), "chat", addresses=office), listeners=(listener,)).site
    assert explain(site, "ws://x.test/")[:3] == [
        "listener 127.0.0.1:8080: addresses: all but 203.0.113.0/24",
        "routes[0] chat: takes it",
        "  addresses: 192.0.2.0/24, unix but 192.0.2.66/32",
    ]


def test_other_kinds_of_routes() -> None:
    assert lines("ws://x.test/desk")[-1] == "  target tcp://h:5900"
    assert lines("http://x.test/")[-2:] == ["routes[4] site: takes it", "  files below /srv"]
    for action, said in (
        (Respond(status=404), "answer: 404"),
        (State(), "answer: whether the gateway is ready"),
        (Redirect(to="https://{host}/{rest}{query}"), "answer: 302, to https://[::1]/a?b"),
    ):
        assert explain(gateway_of(route(action)).site, "http://[::1]:80/a?b")[-1] == f"  {said}"
    named = route(Tunnel(target=ClientTarget(from_=PLACE)))
    assert explain(gateway_of(named).site, "ws://x.test/")[-1] == "  target that the client names in query:token"


def test_a_token_is_not_looked_up(tmp_path: Path) -> None:
    by_token = route(Tunnel(token=Token(from_=PLACE, directory=str(tmp_path))))
    site = build(Settings(listeners=(Listener(bind=TcpAddress("127.0.0.1", 80)),), routes=(by_token,)), sources=False)
    assert explain(site, "ws://x.test/?token=a")[-1] == "  target by the token in query:token"


def test_what_is_refused() -> None:
    assert lines("http://x.test/desk")[-2:] == [
        "answer: 426 this is a WebSocket endpoint",
        "  target tcp://h:5900",
    ]
    assert lines("ws://x.test/none")[-1] == "answer: 404 no route for this host, path and subprotocol"


def test_a_redirect() -> None:
    listener = Listener(bind=TcpAddress("127.0.0.1", 80), redirect=ListenerRedirect.HTTPS)
    site = gateway_of(*ROUTES, listeners=(listener,)).site
    assert explain(site, "http://x.test/desk")[-1].startswith("answer: 308 ")


@pytest.mark.parametrize(
    ("url", "headers", "message"),
    [
        ("/chat", (), "'/chat' is no URL to ask for: write one like ws://chat.example.com/chat/room"),
        ("ftp://x/", (), "'ftp://x/' is no URL to ask for"),
        ("ws://[::1/", (), "'ws://[::1/' is no URL"),
        ("ws://x/", ("X-Tenant",), "'X-Tenant' is no header field: write it like 'X-Tenant: acme'"),
        ("ws://x/", ("Host: y",), "no request can be made of this"),
        ("ws://a b/", (), "no request can be made of this"),
    ],
)
def test_what_cannot_be_asked(url: str, headers: tuple[str, ...], message: str) -> None:
    with pytest.raises(NotExplained, match=message.replace("[", r"\[")):
        lines(url, *headers)


def test_backends_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "backends"
    file.write_text("ws://h:1 weight=2\nws://h:2\n")
    found = explain(gateway_of(route(Relay(to_file=str(file)))).site, "ws://x.test/")
    assert found[1:4] == [
        "  backend ws://h:1: GET /, Host: x.test",
        "  backend ws://h:2: GET /, Host: x.test",
        "  balance: first",
    ]
    file.write_text("[]")
    found = explain(gateway_of(route(Relay(to_file=str(file)))).site, "ws://x.test/")
    assert found[1] == f"  no backend: {file} has none"
