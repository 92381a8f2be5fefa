from __future__ import annotations

import pytest

from wsgate.gate.route import Router, host_name, rewrite
from wsgate.settings.model import Match, PathKind, PathPattern, Route, Target, Tunnel, UnixAddress


def path(text: str) -> PathPattern:
    """A pattern from its notation in the configuration."""
    if text.startswith("~"):
        return PathPattern(PathKind.REGEX, text[1:])
    if text.endswith("/*"):
        return PathPattern(PathKind.PREFIX, text[:-1])
    return PathPattern(PathKind.EXACT, text)


def route(name: str, **match: object) -> Route:
    return Route(name=name, match=Match(**match), action=Tunnel(to=(Target(UnixAddress("/none")),)))  # type: ignore[arg-type]


def matches(
    match: dict[str, object],
    host: bytes = b"",
    path: bytes = b"/",
    subprotocols: tuple[bytes, ...] = (),
    websocket: bool = True,
) -> bool:
    return Router([route("it", **match)]).find(host, path, subprotocols, websocket=websocket) is not None


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
]


@pytest.mark.parametrize(("hosts", "field", "there"), HOSTS)
def test_hosts(hosts: tuple[str, ...], field: bytes, there: bool) -> None:
    assert matches({"host": hosts}, host=field) is there


PATHS: list[tuple[str, bytes, bool]] = [
    ("/chat", b"/chat", True),
    ("/chat", b"/chat/", False),
    ("/chat", b"/Chat", False),
    ("/chat", b"/chatter", False),
    ("/chat", b"/%63hat", False),  # the path that is matched is the path that is sent
    ("/chat/*", b"/chat/", True),
    ("/chat/*", b"/chat/room/1", True),
    ("/chat/*", b"/chat", False),
    ("/chat/*", b"/chatter/x", False),
    ("/*", b"/", True),
    ("/*", b"//x", True),
    ("~/room/[0-9]+$", b"/room/42", True),
    ("~/room/[0-9]+$", b"/room/42/x", False),
    ("~/room/[0-9]+", b"/room/42/x", True),
    ("~/room", b"/a/room", False),
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


def test_the_first_match_wins() -> None:
    router = Router(
        [
            route("exact", path=path("/chat/a")),
            route("host", host=("a.test",)),
            route("prefix", path=path("/chat/*")),
            route("again", path=path("/chat/*")),
        ]
    )
    found = {
        (host, sent): getattr(router.find(host, sent, (), websocket=True), "name", None)
        for host in (b"a.test", b"b.test")
        for sent in (b"/chat/a", b"/chat/b", b"/")
    }
    assert found == {
        (b"a.test", b"/chat/a"): "exact",
        (b"a.test", b"/chat/b"): "host",
        (b"a.test", b"/"): "host",
        (b"b.test", b"/chat/a"): "exact",
        (b"b.test", b"/chat/b"): "prefix",
        (b"b.test", b"/"): None,
    }


def test_without_routes() -> None:
    assert Router([]).find(b"", b"/", (), websocket=True) is None


REWRITES: list[tuple[str | None, str | None, bytes, bytes]] = [
    # without a base all stays as it is
    (None, None, b"/a?b", b"/a?b"),
    ("/chat/*", None, b"/chat/a?b", b"/chat/a?b"),
    # a prefix: the base stands in its place
    ("/chat/*", "/base", b"/chat/a/b", b"/base/a/b"),
    ("/chat/*", "/base/", b"/chat/a", b"/base/a"),
    ("/chat/*", "/", b"/chat/a", b"/a"),
    ("/chat/*", "/base", b"/chat/", b"/base"),
    ("/chat/*", "/base/", b"/chat/", b"/base/"),
    ("/chat/*", "/base", b"/chat//a", b"/base//a"),
    ("/chat/*", "/base", b"/chat/%2e%2e/a", b"/base/%2e%2e/a"),
    ("/*", "/base", b"/a", b"/base/a"),
    ("/*", "/base", b"/", b"/base"),
    # no pattern: every path is below the root
    (None, "/base", b"/a", b"/base/a"),
    (None, "/base", b"/", b"/base"),
    # an exact path
    ("/chat", "/base", b"/chat", b"/base"),
    # a regular expression: what it matched is replaced
    ("~/room/[0-9]+", "/base", b"/room/42/x", b"/base/x"),
    ("~/room/[0-9]+", "/base", b"/room/42", b"/base"),
    # the query is the request's
    ("/chat/*", "/base", b"/chat/a?x=/chat/", b"/base/a?x=/chat/"),
    ("/chat/*", "/base", b"/chat/?x", b"/base?x"),
    ("/chat", "/base", b"/chat?", b"/base?"),
    ("~/room", "/base", b"/room?a?b", b"/base?a?b"),
]


@pytest.mark.parametrize(("pattern", "base", "target", "rewritten"), REWRITES)
def test_rewrite(pattern: str | None, base: str | None, target: bytes, rewritten: bytes) -> None:
    assert rewrite(target, None if pattern is None else path(pattern), base) == rewritten


@pytest.mark.parametrize(("pattern", "base", "target", "rewritten"), REWRITES)
def test_a_rewritten_target_is_one_that_was_routed(
    pattern: str | None, base: str | None, target: bytes, rewritten: bytes
) -> None:
    assert matches({"path": None if pattern is None else path(pattern)}, path=target.partition(b"?")[0])
    assert rewritten.startswith(b"/")
