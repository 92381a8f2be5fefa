import os

import pytest

from wsgate.settings.meaning import check
from wsgate.settings.model import (
    Address,
    Files,
    Listener,
    Match,
    PathKind,
    PathPattern,
    Relay,
    Route,
    Settings,
    TcpAddress,
    UnixAddress,
    WebSocketUrl,
)

RELAY = Relay(to=(WebSocketUrl(TcpAddress("x", 80), None),))
PATH_A = PathPattern(PathKind.EXACT, "/a")
ANY_PATH = PathPattern(PathKind.PREFIX, "/")


def faults(binds: list[Address], routes: list[Route]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    settings = Settings(listeners=tuple(Listener(bind=bind) for bind in binds), routes=tuple(routes))
    check(settings, lambda path, message: found.append((path, message)))
    return found


def unreached(*matches: Match) -> list[tuple[str, str]]:
    return faults([], [Route(name=f"r{i}", match=match, action=RELAY) for i, match in enumerate(matches)])


def test_a_right_file_has_no_faults() -> None:
    binds: list[Address] = [TcpAddress("a", 1), TcpAddress("a", 2), TcpAddress("b", 1), UnixAddress("/a")]
    matches = [Match(path=PATH_A), Match(path=PATH_A, host=("a",)), Match(subprotocol=("a",)), Match()]
    routes = [Route(name=f"r{i}", match=match, action=RELAY) for i, match in enumerate(matches)]
    assert faults(binds, routes) == []


@pytest.mark.parametrize("bind", [TcpAddress("::1", 80), UnixAddress("/a")])
def test_two_listeners_cannot_have_one_address(bind: Address) -> None:
    message = f"listeners[0] has {bind} already: remove one of them"
    assert faults([bind, TcpAddress("a", 1), bind, bind], []) == [
        ("listeners[2].bind", message),
        ("listeners[3].bind", message),
    ]


def test_port_0_may_be_there_twice() -> None:
    assert faults([TcpAddress("::1", 0), TcpAddress("::1", 0)], []) == []


def test_two_routes_cannot_have_one_name() -> None:
    routes = [Route(name="a", match=Match(host=(host,)), action=RELAY) for host in ("x", "y")]
    assert faults([], routes) == [("routes[1].name", "routes[0] has the name a already: rename one of them")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Match(path=PATH_A), Match(path=PATH_A)),
        (Match(host=("a", "b")), Match(host=("b", "a"))),
        (Match(host=("a",), path=ANY_PATH), Match(host=("a",))),
        (Match(subprotocol=("a", "b")), Match(subprotocol=("b", "a"))),
    ],
)
def test_the_same_match_again_is_never_reached(first: Match, second: Match) -> None:
    message = "never reached: routes[0] takes the same requests; remove one of them"
    assert unreached(first, Match(host=("z",)), second) == [("routes[2]", message)]


@pytest.mark.parametrize("everything", [Match(), Match(path=ANY_PATH)])
def test_nothing_is_reached_after_a_match_of_everything(everything: Match) -> None:
    message = "never reached: routes[1] takes every request; move it to the end"
    assert unreached(Match(path=PATH_A), everything, Match(path=PATH_A), Match()) == [
        ("routes[2]", message),
        ("routes[3]", message),
    ]


def test_a_files_route_needs_a_directory(tmp_path: os.PathLike[str]) -> None:
    file = os.path.join(tmp_path, "file")
    with open(file, "w"):
        pass
    roots = [str(tmp_path), file, os.path.join(tmp_path, "none")]
    routes = [Route(name=f"r{i}", match=Match(host=(str(i),)), action=Files(root=r)) for i, r in enumerate(roots)]
    assert faults([], routes) == [
        ("routes[1].files.root", f"the directory {file!r} is not a directory"),
        ("routes[2].files.root", f"the directory {roots[2]!r} does not exist"),
    ]


def test_broken_parts_are_passed_over() -> None:
    broken = object()
    good = Route(name="a", match=Match(), action=RELAY)
    parts = [
        broken,
        Settings(listeners=broken, routes=broken),  # type: ignore[arg-type]
        Settings(listeners=(broken, Listener(bind=broken)), routes=(broken, good)),  # type: ignore[arg-type]
        Settings(listeners=(), routes=(good, Route(name="b", match=broken, action=Files(root=broken)))),  # type: ignore[arg-type]
    ]
    for part in parts:
        check(part, lambda path, message: pytest.fail(f"{path}: {message}"))
