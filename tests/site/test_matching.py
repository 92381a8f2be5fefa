from __future__ import annotations

import pytest

from wsgate.settings.model import Match, PathPattern, Route, Target, Tunnel, UnixAddress
from wsgate.settings.path_patterns import path_pattern
from wsgate.site.matching import Matcher, host_name
from wsgate.text.paths import normal


def path(text: str) -> PathPattern:
    """A pattern from its notation in the configuration."""
    return path_pattern(text)


def route(name: str, **match: object) -> Route:
    return Route(name=name, match=Match(**match), action=Tunnel(to=(Target(UnixAddress("/none")),)))  # type: ignore[arg-type]


def matches(
    match: dict[str, object],
    host: bytes = b"",
    path: bytes = b"/",
    subprotocols: tuple[bytes, ...] = (),
    websocket: bool = True,
) -> bool:
    matcher, sent = Matcher(Match(**match)), normal(path)  # type: ignore[arg-type]
    return matcher.takes(host_name(host), subprotocols, websocket) and matcher.takes_path(sent)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b"example.com", "example.com"),
        (b"Example.COM", "example.com"),
        (b"example.com:8080", "example.com"),
        (b"example.com.", "example.com"),
        (b"example.com.:80", "example.com"),
        (b"192.0.2.1:80", "192.0.2.1"),
        (b"[2001:DB8::1]", "2001:db8::1"),
        (b"[2001:db8::1]:80", "2001:db8::1"),
        (b"[::1", "::1"),
        (b"", ""),
        (b":80", ""),
        (b"\xe9.example", "é.example"),
    ],
)
def test_host_name(field: bytes, name: str) -> None:
    assert host_name(field) == name


HOSTS: list[tuple[tuple[str, ...], bytes, bool]] = [
    ((), b"anything", True),
    ((), b"", True),
    (("example.com",), b"example.com", True),
    (("example.com",), b"EXAMPLE.com:8443", True),
    (("example.com",), b"www.example.com", False),
    (("example.com",), b"example.com.evil.test", False),
    (("example.com",), b"notexample.com", False),
    (("example.com",), b"", False),
    (("*.example.com",), b"www.example.com", True),
    (("*.example.com",), b"a.b.example.com:80", True),
    (("*.example.com",), b"example.com", False),
    (("*.example.com",), b"wwwexample.com", False),
    (("*.example.com",), b"www.example.com.evil.test", False),
    (("a.test", "*.b.test", "*.c.test"), b"x.c.test", True),
    (("a.test", "*.b.test"), b"a.test", True),
    (("a.test", "*.b.test"), b"x.a.test", False),
    (("192.0.2.1",), b"192.0.2.1:80", True),
    (("::1",), b"[::1]:80", True),
    (("::1",), b"[::1]", True),
    (("::1",), b"[0:0::0001]:80", True),
    (("2001:db8::a",), b"[2001:DB8:0:0:0:0:0:A]", True),
    (("192.0.2.1",), b"[::ffff:192.0.2.1]", True),
    (("::ffff:c000:201",), b"192.0.2.1", True),
    (("::ffff:c000:201",), b"[::ffff:192.0.2.1]:80", True),
]


@pytest.mark.parametrize(("hosts", "field", "there"), HOSTS)
def test_hosts(hosts: tuple[str, ...], field: bytes, there: bool) -> None:
    assert matches({"host": hosts}, host=field) is there


PATHS: list[tuple[str, bytes, bool]] = [
    ("/chat", b"/chat", True),
    ("/chat", b"/chat/", True),  # to most servers it is the same
    ("/chat", b"//chat", True),  # what noVNC 1.3 sends
    ("/chat", b"/chat//", True),
    ("/chat", b"/chat/x", False),
    ("/chat/", b"/chat/", True),
    ("/chat/", b"/chat", False),
    ("/", b"/", True),
    ("/", b"//", True),
    ("/", b"/x", False),
    ("/chat", b"/Chat", False),
    ("/chat", b"/chatter", False),
    ("/chat", b"/%63hat", True),
    ("/ch%61t", b"/chat", True),
    ("/a%7eb", b"/a~b", True),
    ("/a%2fb", b"/a%2Fb", True),
    ("/a%2fb", b"/a/b", False),
    ("/a/b", b"/a%2fb", False),
    ("/caf%c3%a9", b"/caf\xc3\xa9", True),
    ("/chat", b"/chat/x/..", True),
    ("/chat", b"/x/%2e%2E/chat", True),
    ("/chat", b"/%zz/../chat", True),
    ("/chat", b"/c%68%zz", False),
    ("/chat/*", b"/chat/", True),
    ("/chat/*", b"/chat/room/1", True),
    ("/chat/*", b"/chat", False),
    ("/chat/*", b"/chatter/x", False),
    ("/ch%61t/*", b"/chat/x", True),
    ("/chat/*", b"/%63hat//x", True),
    ("/chat/*", b"//chat/x", True),
    ("/chat/*", b"/chat/../admin", False),
    ("/chat/*", b"/chat/%2e%2e/admin", False),
    ("/chat/*", b"/chat/..", False),
    ("/admin/*", b"/chat/../admin/", True),
    ("/chat/*", b"/chat%2Fx", False),
    ("/chat/*", b"/chat/..%2fadmin", True),  # the backend's own affair: %2F is no separator
    ("/*", b"/", True),
    ("/*", b"//x", True),
    ("~/room/[0-9]+$", b"/room/42", True),
    ("~/room/[0-9]+$", b"/room/42/x", False),
    ("~/room/[0-9]+", b"/room/42/x", True),
    ("~/room", b"/a/room", False),
    ("~/room$", b"/%72oom", True),
    ("~/room/[a-z]+$", b"/room/1/../a", True),
    ("~/room$", b"/room/", False),
    ("~.*\\.(css|js)$", b"/a/b.css", True),
]


@pytest.mark.parametrize(("pattern", "sent", "there"), PATHS)
def test_paths(pattern: str, sent: bytes, there: bool) -> None:
    assert matches({"path": path(pattern)}, path=sent) is there


@pytest.mark.parametrize(
    ("wanted", "offered", "there"),
    [
        ((), (), True),
        ((), (b"chat",), True),
        (("chat",), (b"chat",), True),
        (("chat",), (), False),
        (("chat",), (b"Chat",), False),
        (("a", "b"), (b"x", b"b"), True),
        (("a", "b"), (b"x", b"y"), False),
    ],
)
def test_subprotocols(wanted: tuple[str, ...], offered: tuple[bytes, ...], there: bool) -> None:
    assert matches({"subprotocol": wanted}, subprotocols=offered) is there


@pytest.mark.parametrize("asked", [True, False])
def test_websocket_or_not(asked: bool) -> None:
    assert matches({"websocket": asked}, websocket=asked)
    assert not matches({"websocket": not asked}, websocket=asked)
    assert matches({}, websocket=asked)


def test_all_of_a_match_must_hold() -> None:
    match = {"host": ("a.test",), "path": path("/x"), "subprotocol": ("p",), "websocket": True}
    assert matches(match, b"a.test", b"/x", (b"p",))
    assert not matches(match, b"a.test", b"/x", (b"p",), websocket=False)
    assert not matches(match, b"b.test", b"/x", (b"p",))
    assert not matches(match, b"a.test", b"/y", (b"p",))
    assert not matches(match, b"a.test", b"/x", (b"q",))
