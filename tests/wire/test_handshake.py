from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.wire.client import MAX_BODY, BadAnswer, BadAnswerCause
from wsgate.wire.extensions import DEFLATE, Extension
from wsgate.wire.handshake import (
    Accepted,
    BackendHandshake,
    Declined,
    Upgrade,
    accept_headers,
    accept_value,
    check_upgrade,
    choose_subprotocol,
)
from wsgate.wire.head import MAX_HEAD
from wsgate.wire.http import HttpServer, Refusal, Request

KEY = b"A1EEou7Nnq6+BBZoAZqWlg=="
ACCEPT = b"cT8V7OIhhhL8rbFZgoGjU4DReQ8="

Fields = Mapping[str, str | list[str] | None]

NOTHING: Fields = MappingProxyType({})

UPGRADE: Fields = {
    "Host": "example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY.decode(),
    "Sec-WebSocket-Version": "13",
}


def lines(fields: Fields) -> bytes:
    """Returns header lines; a list makes several lines, None leaves the field out."""
    pairs = [
        (name, value)
        for name, values in fields.items()
        for value in ([values] if isinstance(values, str) else values or [])
    ]
    return "".join(f"{name}: {value}\r\n" for name, value in pairs).encode("latin-1") + b"\r\n"


def request(fields: Fields = NOTHING, line: str = "GET /chat HTTP/1.1") -> Request:
    """An upgrade request as the gateway reads it, with some fields changed."""
    server = HttpServer()
    server.receive(line.encode() + b"\r\n" + lines({**UPGRADE, **fields}))
    read = server.next_request()
    assert isinstance(read, Request)
    return read


def test_the_examples_of_the_accept_value() -> None:
    assert accept_value(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3
    assert accept_value(KEY) == ACCEPT


# -- as a server -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "subprotocols", "deflate"),
    [
        ({}, (), []),
        ({"Upgrade": "WebSocket", "Connection": "UPGRADE"}, (), []),
        ({"Upgrade": "h2c, websocket", "Connection": "keep-alive, upgrade"}, (), []),
        ({"Upgrade": ["h2c", "websocket"], "Connection": ["keep-alive", "Upgrade"]}, (), []),
        ({"Sec-WebSocket-Protocol": "chat.v2, chat.v1"}, (b"chat.v2", b"chat.v1"), []),
        ({"Sec-WebSocket-Protocol": ["b,", "a"]}, (b"b", b"a"), []),
        ({"Sec-WebSocket-Protocol": "Chat, chat"}, (b"Chat", b"chat"), []),
        ({"Sec-WebSocket-Protocol": ""}, (), []),
        ({"Sec-WebSocket-Extensions": "x-other, permessage-deflate"}, (), [(b"permessage-deflate", {})]),
        ({"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits=99"}, (), []),
        ({"sec-websocket-KEY": None, "Origin": "null"}, (), []),
    ],
)
def test_upgrades(fields: Fields, subprotocols: tuple[bytes, ...], deflate: list[Any]) -> None:
    assert check_upgrade(request(fields)) == Upgrade(KEY, subprotocols, deflate)


@pytest.mark.parametrize("upgrade", [None, "h2c", "websockets", "websocket/13", ""])
def test_plain_http(upgrade: str | None) -> None:
    assert check_upgrade(request({"Upgrade": upgrade})) is None


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "get"])
def test_another_method(method: str) -> None:
    refusal = check_upgrade(request(line=f"{method} /chat HTTP/1.1"))
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.headers) == (405, ((b"Allow", b"GET"),))


def test_an_old_http() -> None:
    assert check_upgrade(request(line="GET /chat HTTP/1.0")) == Refusal(400, "a WebSocket handshake takes HTTP/1.1")


@pytest.mark.parametrize("version", ["12", "8", "14", "013", "13, 8", ""])
def test_another_version(version: str) -> None:
    """RFC 6455 §4.4: the answer has the supported version."""
    refusal = check_upgrade(request({"Sec-WebSocket-Version": version}))
    assert refusal == Refusal(426, "the WebSocket version is 13", ((b"Sec-WebSocket-Version", b"13"),))


BAD_KEYS: list[str | list[str] | None] = [
    None,
    "",
    "dGhlIHNhbXBsZSBub25jZQ",  # no padding
    base64.b64encode(bytes(15)).decode(),
    base64.b64encode(bytes(17)).decode(),
    "dGhlIHNhbXBsZSBub25jZQ== ?",
    "dGhl IHNhbXBsZSBub25jZQ==",
    "__________________7_-w==",  # the alphabet of URLs
    "\xe9" * 24,
    [KEY.decode(), KEY.decode()],
]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_that_are_none(key: str | list[str] | None) -> None:
    refusal = check_upgrade(request({"Sec-WebSocket-Key": key}))
    assert refusal == Refusal(400, "a handshake has one Sec-WebSocket-Key of 16 bytes in base64")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Connection": None}, "Connection: Upgrade"),
        ({"Connection": "keep-alive"}, "Connection: Upgrade"),
        ({"Sec-WebSocket-Version": None}, "one Sec-WebSocket-Version"),
        ({"Sec-WebSocket-Version": ["13", "13"]}, "one Sec-WebSocket-Version"),
        ({"Sec-WebSocket-Protocol": '"a, b"'}, "Sec-WebSocket-Protocol"),
        ({"Sec-WebSocket-Protocol": ["a", 'b"c']}, "Sec-WebSocket-Protocol"),
        ({"Sec-WebSocket-Protocol": "a\x01b"}, "Sec-WebSocket-Protocol"),
        ({"Sec-WebSocket-Protocol": "a\x7f"}, "Sec-WebSocket-Protocol"),
    ],
)
def test_malformed_upgrades(fields: Fields, words: str) -> None:
    refusal = check_upgrade(request(fields))
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
    assert words in refusal.reason


ODD_NAMES = ["SPDY/3.1+portforward.k8s.io", "ogmios.v1:compact", "a b", "v1(2);q=1", "{x}", "\xe9"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_subprotocol_that_is_no_token_is_carried(name: str) -> None:
    """To the backend and back: it decides no boundary."""
    fields = {"Sec-WebSocket-Protocol": f"{name}, plain, {name}"}
    asked = handshake(fields)
    written = name.encode("latin-1")
    assert field(sent(asked), b"sec-websocket-protocol") == [written + b", plain, " + written]
    accepted = asked.receive(switching({"Sec-WebSocket-Protocol": name}))
    assert accepted == Accepted(written, None, [], b"")
    upgrade = check_upgrade(request(fields))
    assert isinstance(upgrade, Upgrade)
    assert (b"Sec-WebSocket-Protocol", written) in accept_headers(upgrade, written)


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("a;", []),
        ("b c, permessage-deflate", [(b"permessage-deflate", {})]),
        (["permessage-deflate; =", "permessage-deflate"], [(b"permessage-deflate", {})]),
    ],
)
def test_malformed_extensions_are_declined(line: str | list[str], offers: list[object]) -> None:
    upgrade = check_upgrade(request({"Sec-WebSocket-Extensions": line}))
    assert isinstance(upgrade, Upgrade)
    assert upgrade.deflate == offers


def test_the_answer() -> None:
    upgrade = Upgrade(KEY, (), [])
    plain = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", ACCEPT)]
    assert accept_headers(upgrade, None) == plain
    assert accept_headers(upgrade, b"chat", b"permessage-deflate") == [
        *plain,
        (b"Sec-WebSocket-Protocol", b"chat"),
        (b"Sec-WebSocket-Extensions", b"permessage-deflate"),
    ]


@pytest.mark.parametrize(
    ("offered", "accepted", "chosen"),
    [
        ([], [], None),
        ([b"a"], [], None),
        ([], [b"a"], None),
        ([b"a", b"b"], [b"c", b"b", b"a"], b"b"),
        ([b"A"], [b"a"], None),
    ],
)
def test_choose_subprotocol(offered: list[bytes], accepted: list[bytes], chosen: bytes | None) -> None:
    assert choose_subprotocol(offered, accepted) == chosen


# -- as a client: the request ------------------------------------------------------------------------------------------

OWN_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
OWN_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def handshake(
    fields: Fields = NOTHING, forwarded: Sequence[tuple[bytes, bytes]] = (), target: bytes = b"/chat"
) -> BackendHandshake:
    asked = request(fields)
    upgrade = check_upgrade(asked)
    assert isinstance(upgrade, Upgrade)
    return BackendHandshake(asked, upgrade, target=target, key=OWN_KEY, written=forwarded)


def sent(asked: BackendHandshake) -> h11.Request:
    """The request as a backend reads it."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(asked.request)
    event = server.next_event()
    assert isinstance(event, h11.Request)
    assert isinstance(server.next_event(), h11.EndOfMessage)
    assert server.trailing_data[0] == b""
    return event


def field(asked: h11.Request, name: bytes) -> list[bytes]:
    return [value for field, value in asked.headers if field == name]


def test_the_request_for_a_backend() -> None:
    asked = handshake({"Sec-WebSocket-Key": KEY.decode()}, target=b"/base/chat?x=1")
    assert asked.request == (
        b"GET /base/chat?x=1 HTTP/1.1\r\n"
        b"Host: example.com\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Via: 1.1 wsgate\r\n\r\n"
    )


@pytest.mark.parametrize(
    "host", ["a.test", "A.test.", "a.test:80", "a.test:443", "[2001:db8::1]", "[::1]:8080", "%61.test"]
)
def test_host_and_target_are_the_clients(host: str) -> None:
    """Nothing is added, left out or decoded: not a default port, nor the brackets of an IPv6 address."""
    target = b"/a%2Fb/%7e;c?d=%20&&e=/../?"
    asked = handshake({"Host": host}, target=target)
    assert asked.request.startswith(b"GET " + target + b" HTTP/1.1\r\nHost: " + host.encode() + b"\r\n")


def test_what_goes_on_of_a_clients_fields() -> None:
    """Everything that is meant for the other end, as it was written."""
    asked = handshake(
        {"User-Agent": "x", "cookie": ["a=1", "b=2"], "Origin": "https://example.com", "Authorization": "Basic YTpi"}
    )
    for line in (
        b"User-Agent: x",
        b"cookie: a=1",
        b"cookie: b=2",
        b"Origin: https://example.com",
        b"Authorization: Basic YTpi",
    ):
        assert b"\r\n" + line + b"\r\n" in asked.request


@pytest.mark.parametrize(
    "name",
    [
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "X-Named",
        "x-named-too",
        "Content-Length",
        "Sec-WebSocket-Accept",
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-Forwarded-Port",
        "X-FORWARDED-PROTO",
        "X-Forwarded-Ssl",
        "X-Forwarded-Prefix",
        "X_Forwarded_For",
        "X-Forwarded_For",
        "x.forwarded.proto",
        "X-Real-IP",
        "X_Real_IP",
        "Content_Length",
        "Sec_WebSocket_Key",
        "X-Client-Cert-Verify",
        "x-client-cert-subject",
        "X-Client_Cert-Fingerprint",
    ],
)
def test_what_does_not(name: str) -> None:
    """Hop-by-hop fields, those that Connection names (RFC 9110 §7.6.1), and those that only the gateway may write."""
    value = "0" if name == "Content-Length" else "strangers"
    asked = sent(handshake({name: value, "Connection": "Upgrade, x-named , X-Named-Too"}))
    assert field(asked, name.lower().encode()) == []
    assert field(asked, b"connection") == [b"Upgrade"]


@pytest.mark.parametrize("name", ["X-Forwarded", "X-Client-Certificate", "X_Request_Id", "Client-Cert"])
def test_what_only_begins_like_it_does(name: str) -> None:
    assert field(sent(handshake({name: "theirs"})), name.lower().encode()) == [b"theirs"]


def test_the_way_that_a_request_has_come() -> None:
    assert field(sent(handshake({"Via": "1.1 theirs"})), b"via") == [b"1.1 theirs", b"1.1 wsgate"]


def test_the_gateways_own_word_about_the_client() -> None:
    asked = sent(handshake({"X-Forwarded-For": "6.6.6.6"}, [(b"X-Forwarded-For", b"192.0.2.1")]))
    assert field(asked, b"x-forwarded-for") == [b"192.0.2.1"]


def test_connection_cannot_name_what_the_handshake_needs() -> None:
    asked = sent(handshake({"Connection": "Upgrade, Host, Sec-WebSocket-Key, Sec-WebSocket-Version"}))
    assert field(asked, b"host") == [b"example.com"]
    assert field(asked, b"sec-websocket-key") == [OWN_KEY]
    assert field(asked, b"sec-websocket-version") == [b"13"]


def test_offers_in_the_clients_order() -> None:
    asked = sent(
        handshake(
            {
                "Sec-WebSocket-Protocol": ["b", "a"],
                "Sec-WebSocket-Extensions": [
                    "x-other; y=1",
                    'permessage-deflate; client_max_window_bits="9"',
                    "permessage-deflate",
                ],
            }
        )
    )
    assert field(asked, b"sec-websocket-protocol") == [b"b, a"]
    assert field(asked, b"sec-websocket-extensions") == [
        b"permessage-deflate; client_max_window_bits=9, permessage-deflate"
    ]


# -- as a client: the answer -------------------------------------------------------------------------------------------

GOOD: Fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": OWN_ACCEPT}
OFFERS: Fields = {
    "Sec-WebSocket-Protocol": "chat.v2, chat.v1",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}

Answer = Accepted | Declined | BadAnswer | None


def switching(fields: Fields = NOTHING) -> bytes:
    return b"HTTP/1.1 101 Switching Protocols\r\n" + lines({**GOOD, **fields})


def answer(data: bytes, *, end: bool = False, offers: Fields = OFFERS) -> Answer:
    """What a handshake makes of an answer: the same, whether it comes whole, byte by byte or in two pieces."""
    cuttings = [[data], [data[:50], data[50:]], [data[: len(data) // 2], data[len(data) // 2 :]]]
    if len(data) < 2000:
        cuttings += [
            [data[at : at + 1] for at in range(len(data))],
            *([data[:at], data[at:]] for at in range(1, len(data))),
        ]
    found = [receive(offers, [*filter(None, pieces), *([b""] if end else [])]) for pieces in cuttings]
    assert all(other == found[0] for other in found)
    return found[0]


def receive(offers: Fields, pieces: list[bytes]) -> Answer:
    asked = handshake(offers)
    for piece in pieces:
        if (answered := asked.receive(piece)) is not None:
            return answered
    return None


@pytest.mark.parametrize(
    ("fields", "subprotocol", "deflate", "headers"),
    [
        ({}, None, None, []),
        ({"Upgrade": "WebSocket", "Connection": "upgrade"}, None, None, []),
        ({"Connection": "keep-alive, Upgrade"}, None, None, []),
        ({"Sec-WebSocket-Protocol": "chat.v1"}, b"chat.v1", None, []),
        ({"Sec-WebSocket-Extensions": ""}, None, None, []),
        ({"Sec-WebSocket-Extensions": "permessage-deflate"}, None, (DEFLATE, {}), []),
        (
            {"Sec-WebSocket-Extensions": 'permessage-deflate;client_max_window_bits="9"'},
            None,
            (DEFLATE, {b"client_max_window_bits": b"9"}),
            [],
        ),
        (
            {"Set-Cookie": ["a=1", "b=2"], "Server": "x", "Keep-Alive": "timeout=5", "Sec-WebSocket-Version": "13"},
            None,
            None,
            [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"), (b"Server", b"x")],
        ),
        ({"Connection": "Upgrade, X-Hop", "X-Hop": "1", "Content-Length": "0"}, None, None, []),
    ],
)
def test_accepted(
    fields: Fields, subprotocol: bytes | None, deflate: Extension | None, headers: list[tuple[bytes, bytes]]
) -> None:
    assert answer(switching(fields)) == Accepted(subprotocol, deflate, headers, b"")


@pytest.mark.parametrize(
    "before", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3]
)
def test_other_words_before_the_101(before: bytes) -> None:
    assert answer(before + switching()) == Accepted(None, None, [], b"")


@pytest.mark.parametrize("early", [b"\x81\x02hi", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_early_bytes_are_the_sessions(early: bytes) -> None:
    """They may look like anything. Bytes that came with the last byte of the head are returned; later ones were not
    read."""
    data = switching()
    for at in range(len(data)):
        asked = handshake()
        assert at == 0 or asked.receive(data[:at]) is None
        assert asked.receive(data[at:] + early) == Accepted(None, None, [], early)


NOT_OFFERED = "101 with an extension that was not offered"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"Upgrade": None}, "101 without Upgrade: websocket and Connection: Upgrade"),
        ({"Upgrade": "h2c"}, "101 without Upgrade: websocket and Connection: Upgrade"),
        ({"Connection": None}, "101 without Upgrade: websocket and Connection: Upgrade"),
        ({"Connection": "keep-alive"}, "101 without Upgrade: websocket and Connection: Upgrade"),
        ({"Sec-WebSocket-Accept": None}, "101 with a wrong Sec-WebSocket-Accept"),
        ({"Sec-WebSocket-Accept": ACCEPT.decode()}, "101 with a wrong Sec-WebSocket-Accept"),
        ({"Sec-WebSocket-Accept": OWN_ACCEPT.lower()}, "101 with a wrong Sec-WebSocket-Accept"),
        ({"Sec-WebSocket-Accept": [OWN_ACCEPT, OWN_ACCEPT]}, "101 with a wrong Sec-WebSocket-Accept"),
        ({"Sec-WebSocket-Protocol": "chat.v3"}, "101 with a subprotocol that was not offered"),
        ({"Sec-WebSocket-Protocol": "CHAT.V1"}, "101 with a subprotocol that was not offered"),
        ({"Sec-WebSocket-Protocol": "chat.v1, chat.v2"}, "101 with a subprotocol that was not offered"),
        ({"Sec-WebSocket-Protocol": ["chat.v1", "chat.v2"]}, "101 with a subprotocol that was not offered"),
        ({"Sec-WebSocket-Extensions": "a b"}, "101 with malformed Sec-WebSocket-Extensions"),
        ({"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits=09"}, NOT_OFFERED),
        ({"Sec-WebSocket-Extensions": ["permessage-deflate", "a"]}, "101 with more than one extension"),
        ({"Sec-WebSocket-Extensions": "permessage-deflate, permessage-deflate"}, "101 with more than one extension"),
        ({"Sec-WebSocket-Extensions": "x-other"}, NOT_OFFERED),
        ({"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}, NOT_OFFERED),
    ],
)
def test_a_101_that_is_none(fields: Fields, reason: str) -> None:
    assert answer(switching(fields)) == BadAnswer(reason)


@pytest.mark.parametrize(
    "fields", [{"Sec-WebSocket-Protocol": "chat.v1"}, {"Sec-WebSocket-Extensions": "permessage-deflate"}]
)
def test_an_answer_to_an_offer_that_was_not_made(fields: Fields) -> None:
    assert isinstance(answer(switching(fields), offers={}), BadAnswer)


@pytest.mark.parametrize("fields", [{"Sec-WebSocket-Protocol": ""}, {"Sec-WebSocket-Protocol": ["", " "]}])
@pytest.mark.parametrize("offers", [OFFERS, {}])
def test_an_empty_subprotocol_is_none(fields: Fields, offers: Fields) -> None:
    assert answer(switching(fields), offers=offers) == Accepted(None, None, [], b"")


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_an_end_without_an_answer(data: bytes) -> None:
    assert answer(data, end=True) == BadAnswer("ended without an answer", BadAnswerCause.NOTHING_CAME)


@pytest.mark.parametrize("data", [b"H", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: w"])
def test_an_end_inside_an_answer(data: bytes) -> None:
    assert answer(data, end=True) == BadAnswer("ended inside its answer's head")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",  # a TLS alert: the backend speaks wss
        b"HTTP/1.1 200\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA B: x\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
    ],
)
def test_something_else_than_http(data: bytes) -> None:
    """In every cutting; the parser's message is for the log."""
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        broken = receive({}, pieces)
        assert isinstance(broken, BadAnswer)
        assert broken.reason.startswith("malformed answer: ")
        assert "\n" not in broken.reason


def test_a_head_without_an_end() -> None:
    line = b"X: " + b"a" * 1000 + b"\r\n"
    broken = receive({}, [b"HTTP/1.1 101 Switching Protocols\r\n", *[line] * (MAX_HEAD // 1000 + 1)])
    assert isinstance(broken, BadAnswer)


def refusal(fields: Fields, body: bytes = b"", status: str = "403 Forbidden", version: str = "1.1") -> bytes:
    return f"HTTP/{version} {status}\r\n".encode() + lines(fields) + body


def test_a_refusal_of_the_backends_own() -> None:
    data = refusal(
        {"Content-Length": "3", "Set-Cookie": "a=1", "WWW-Authenticate": "Basic"}, b"no\n", "401 Unauthorized"
    )
    assert answer(data + b"HTTP/1.1 200 OK\r\n") == Declined(
        401, [(b"Set-Cookie", b"a=1"), (b"WWW-Authenticate", b"Basic")], b"no\n"
    )


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (refusal({"Content-Length": "0"}), b""),
        (refusal({"Content-Length": "3", "Connection": "close, X-Hop", "X-Hop": "1"}, b"abc"), b"abc"),
        (refusal({"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\nT: 1\r\n\r\n"), b"abcdef"),
        (refusal({}, status="204 No Content"), b""),
        (refusal({}, status="304 Not Modified"), b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + refusal({"Content-Length": "1"}, b"x"), b"x"),
    ],
)
def test_how_a_refusals_body_ends(data: bytes, body: bytes) -> None:
    """By its own account: nothing of it needs the connection's end."""
    declined = answer(data)
    assert isinstance(declined, Declined)
    assert (declined.body, declined.headers) == (body, [])
    assert receive({}, [data[:-1]]) is None


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_refusal_until_the_end(version: str) -> None:
    data = refusal({"Content-Type": "text/plain"}, b"until the end", version=version)
    assert answer(data) is None
    assert answer(data, end=True) == Declined(403, [(b"Content-Type", b"text/plain")], b"until the end")


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (refusal({"Content-Length": "10"}, b"abc"), b"abc"),
        (refusal({"Content-Length": "10"}), b""),
        (refusal({"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n5\r\nde"), b"abcde"),
    ],
)
def test_a_refusal_that_stops_short(data: bytes, body: bytes) -> None:
    """Its status is known, so it is passed on with what there is of its body."""
    assert answer(data) is None
    assert answer(data, end=True) == Declined(403, [], body, f"its body broke off after {len(body)} bytes")
    stalled = handshake()
    stalled.receive(data)
    assert stalled.give_up() == Declined(403, [], body, f"its body stalled after {len(body)} bytes")


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 403 Forbidden\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n", switching()[:-1]]
)
def test_giving_up_what_is_no_refusal(data: bytes) -> None:
    asked = handshake()
    if data:
        asked.receive(data)
    assert asked.give_up() is None
    why = BadAnswerCause.NOTHING_CAME if data[-4:] in (b"", b"\r\n\r\n") else BadAnswerCause.OTHER
    assert asked.lost("reset") == BadAnswer("reset", why)


@pytest.mark.parametrize("fields", [{}, {"Content-Length": "10"}])
def test_a_refusal_whose_connection_is_lost(fields: Fields) -> None:
    """Without a length it would end with the connection, but not with its loss."""
    asked = handshake()
    assert asked.receive(refusal(fields, b"abc")) is None
    assert asked.lost("reset") == Declined(403, [], b"abc", "its body broke off after 3 bytes")


def test_a_refusal_with_a_broken_body() -> None:
    data = refusal({"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\nnonsense\r\n")
    assert receive({}, [data]) == Declined(403, [], b"abc", "its body is malformed after 3 bytes")


@pytest.mark.parametrize("size", [MAX_BODY - 1, MAX_BODY, MAX_BODY + 1, 10 * MAX_BODY])
@pytest.mark.parametrize("announced", [True, False])
def test_a_large_refusal(size: int, announced: bool) -> None:
    """What is over 64 KiB is cut there, and not waited for."""
    fields: Fields = {"Content-Length": str(size)} if announced else {}
    data = refusal(fields) + b"x" * size
    pieces = [data[at : at + 16384] for at in range(0, len(data), 16384)]
    declined = receive({}, pieces if size > MAX_BODY else [*pieces, b""])
    cut = "its body is longer than 65536 bytes" if size > MAX_BODY else ""
    assert declined == Declined(403, [], b"x" * min(size, MAX_BODY), cut)


def test_200_is_a_refusal_too() -> None:
    """A backend that knows no WebSocket answers like this."""
    assert answer(refusal({"Content-Length": "2"}, b"hi", "200 OK")) == Declined(200, [], b"hi")


@given(st.binary(min_size=1, max_size=60) | st.binary(max_size=30).map(lambda behind: b"HTTP/1.1 101 x\r\n" + behind))
def test_any_bytes_are_an_answer_or_none(data: bytes) -> None:
    assert not isinstance(receive({}, [data, b""]), Accepted)
