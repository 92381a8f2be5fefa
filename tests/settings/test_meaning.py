from collections.abc import Container
from pathlib import Path
from typing import Any

import pytest

from tests.pki import Authority
from wsgate.settings.decode import Decoder
from wsgate.settings.draft import Broken
from wsgate.settings.meaning import check
from wsgate.settings.model import (
    Address,
    BackendTls,
    Certificate,
    ClientAuth,
    Files,
    Limits,
    Listener,
    ListenerRedirect,
    Match,
    Network,
    Over,
    PathKind,
    PathPattern,
    Relay,
    RelayBackend,
    Route,
    RouteLimits,
    Settings,
    Target,
    TcpAddress,
    Tls,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.settings.nodes import compose
from wsgate.settings.redis_url import redis_url


def ignore(path: str, message: str) -> None:
    """Takes the warnings that a test is not about."""


def no_fault(path: str, message: str) -> None:
    raise AssertionError(f"{path}: {message}")


def ws(host: str) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(TcpAddress(host, 80), None))


def wss(host: str) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(TcpAddress(host, 443), None, tls=True))


def one_tls(directory: Path) -> Tls:
    pair = Authority(directory).issue("a.test")
    return Tls(certificate=pair.certificate, key=pair.key)


RELAY = Relay(to=(ws("x"),))
TCP_TARGET = Target(TcpAddress("x", 5900))
TLS_TARGET = Target(TcpAddress("x", 5901), tls=True)
PATH_A = PathPattern(PathKind.EXACT, "/a")
ANY_PATH = PathPattern(PathKind.PREFIX, "/")


def faults(binds: list[Address], routes: list[Route]) -> list[tuple[str, str]]:
    return faults_of([Listener(bind=bind) for bind in binds], routes)


def faults_of(listeners: list[Any], routes: list[Any], given: Container[str] = ()) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    settings = Settings(listeners=tuple(listeners), routes=tuple(routes))
    check(settings, lambda path, message: found.append((path, message)), ignore, given)
    return found


def unreached(*matches: Match) -> list[tuple[str, str]]:
    return faults([], [Route(name=f"r{i}", match=match, action=RELAY) for i, match in enumerate(matches)])


def test_a_right_file_has_no_faults() -> None:
    binds: list[Address] = [TcpAddress("a", 1), TcpAddress("a", 2), TcpAddress("b", 1), UnixAddress("/a")]
    matches = [Match(path=PATH_A), Match(path=PATH_A, host=("a",)), Match(subprotocol=("a",)), Match()]
    routes = [Route(name=f"r{i}", match=match, action=RELAY) for i, match in enumerate(matches)]
    assert faults(binds, routes) == []


def test_only_a_unix_socket_has_a_mode() -> None:
    listeners = [Listener(bind=UnixAddress("/a"), mode=0o660), Listener(bind=TcpAddress("::1", 8080), mode=0o660)]
    assert faults_of(listeners, []) == [
        ("listeners[1].mode", "only a Unix socket has a mode, and [::1]:8080 is none: remove it")
    ]


def test_a_redirect_is_for_plain_listeners_beside_one_with_tls(tmp_path: Path) -> None:
    def listener(name: str, tls: Tls | None = None, redirect: ListenerRedirect | None = None) -> Listener:
        return Listener(bind=UnixAddress(f"/{name}"), tls=tls, redirect=redirect)

    tls = one_tls(tmp_path)
    plain = listener("a", redirect=ListenerRedirect.HTTPS)
    assert faults_of([plain, listener("b", tls)], []) == []
    assert faults_of([plain, listener("b")], []) == [
        ("listeners[0].redirect", "it leads nowhere, no listener speaks TLS: add one that has tls, or remove redirect")
    ]
    assert faults_of([listener("a", tls, ListenerRedirect.HTTPS)], []) == [
        ("listeners[0].redirect", "this listener speaks TLS itself: move redirect to the plain listener")
    ]
    proxies = (Network(None),)  # TLS may end there
    settings = Settings(listeners=(plain, listener("b")), routes=(), trusted_proxies=proxies)
    found: list[str] = []
    check(settings, lambda path, message: found.append(path), ignore, ())
    assert not found
    # What is Broken may have been meant to speak TLS.
    for broken in (Broken(), Listener(bind=UnixAddress("/b"), tls=Broken())):  # type: ignore[arg-type]
        assert faults_of([plain, broken], []) == []


@pytest.mark.parametrize("auth", ClientAuth)
def test_client_auth_needs_a_ca(tmp_path: Path, auth: ClientAuth) -> None:
    pair = one_tls(tmp_path)
    without, with_ca = (
        Tls(certificate=pair.certificate, key=pair.key, client_ca=ca, client_auth=auth)
        for ca in (None, str(tmp_path / "ca.pem"))
    )
    listeners = [Listener(bind=UnixAddress(f"/{i}"), tls=tls) for i, tls in enumerate((without, with_ca))]
    given = {"listeners[0].tls.client_auth", "listeners[1].tls.client_auth"}
    assert faults_of(listeners, [], given) == [
        ("listeners[0].tls.client_auth", "there is no client_ca to check certificates with: name its file")
    ]


@pytest.mark.parametrize("tls", [BackendTls(verify=False), BackendTls(ca="/no/such/ca"), BackendTls()])
def test_tls_to_plain_backends_would_do_nothing(tls: BackendTls) -> None:
    routes = [
        Route(name="a", match=Match(host=("a",)), action=Relay(to=(ws("a"), ws("b")), tls=tls)),
        Route(name="b", match=Match(host=("b",)), action=Tunnel(to=(TCP_TARGET, Target(UnixAddress("/a"))), tls=tls)),
    ]
    nothing = "it would do nothing, no address in to begins with {0}: write {0} there, or remove it"
    assert faults_of([], routes, {"routes[0].relay.tls", "routes[1].tunnel.tls"}) == [
        ("routes[0].relay.tls", nothing.format("wss://")),
        ("routes[1].tunnel.tls", nothing.format("tls://")),
    ]


FILE = """
listeners:
  - bind: 127.0.0.1
    mode: 0660
    redirect: https
  - bind: unix:/a
    tls: {certificate: /no/c, key: /no/k, client_auth: required}
    redirect: https
  - bind: 127.0.0.1:80
  - bind: unix:/b
    tls:
      certificates:
        - key: /no/k
routes:
  - name: a
    relay:
      to: ws://a
      tls: {verify: true}
"""


def test_a_fault_has_the_place_of_its_key_or_of_the_mapping_around_it() -> None:
    decoder = Decoder("f", {})
    check(decoder.settings(compose(FILE, "f")), decoder.fault, decoder.warn, decoder.places)
    assert [(problem.path, problem.line, problem.col) for problem in decoder.problems] == [
        ("listeners[0].mode", 4, 11),
        ("listeners[1].redirect", 8, 15),
        ("listeners[1].tls.client_auth", 7, 56),
        ("listeners[3].tls.certificates[0]", 13, 11),
        ("routes[0].relay.tls", 18, 12),
    ]


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


def test_what_becomes_of_who_is_too_fast_needs_a_rate() -> None:
    limits = [
        RouteLimits(over=Over.CLOSE, burst=2.0),
        RouteLimits(over=Over.CLOSE, burst=2.0, messages_per_second=1),
        RouteLimits(over=Over.CLOSE, burst=2.0, bytes_per_second=1),
    ]
    routes = [
        Route(name=f"r{index}", match=Match(path=PathPattern(PathKind.EXACT, f"/{index}")), action=RELAY, limits=limit)
        for index, limit in enumerate(limits)
    ]
    written = {f"routes[{index}].limits.{key}" for index in range(3) for key in ("over", "burst")}
    message = "no rate is limited here: write messages_per_second or bytes_per_second, or remove it"
    assert faults_of([], routes, written) == [
        ("routes[0].limits.over", message),
        ("routes[0].limits.burst", message),
    ]
    assert faults_of([], routes, set()) == []  # they are of the defaults, and of other routes


def test_broken_parts_are_passed_over() -> None:
    broken: Any = Broken()
    good = Route(name="a", match=Match(), action=RELAY)
    wrong = Tls(certificate="/no/such/file", ciphers=broken)
    parts = [
        broken,
        Settings(listeners=broken, routes=broken),
        Settings(listeners=(broken, Listener(bind=broken)), routes=(broken, good)),
        Settings(listeners=(), routes=(good, Route(name="b", match=broken, action=Files(root=broken)))),
        Settings(
            listeners=(
                Listener(bind=broken, tls=broken, redirect=broken, mode=0o660),
                Listener(bind=TcpAddress("a", 1), tls=wrong, mode=broken),
                Listener(bind=TcpAddress("a", 2), tls=Tls(certificates=broken, client_ca=broken)),
                Listener(bind=TcpAddress("a", 3), tls=Tls(certificates=(Certificate(certificate=broken),))),
                Listener(bind=TcpAddress("a", 4), tls=Tls(certificates=(broken,), client_auth=broken)),
            ),
            routes=(
                Route(name="a", match=Match(host=("a",)), action=broken),
                broken,
                Route(name="b", match=Match(host=("b",)), action=Relay(to=broken, tls=BackendTls(server_name="x"))),
                Route(name="c", match=Match(host=("c",)), action=Relay(to=(ws("a"),), tls=broken)),
                Route(name="d", match=Match(host=("d",)), action=Tunnel(to=(TCP_TARGET,), tls=BackendTls(ca=broken))),
            ),
        ),
    ]
    given = {
        "listeners[0].tls.client_auth",
        "listeners[2].tls.client_auth",
        "listeners[4].tls.client_auth",
        "routes[2].relay.tls",
        "routes[3].relay.tls",
        "routes[4].tunnel.tls",
    }
    for part in parts:
        check(part, lambda path, message: pytest.fail(f"{path}: {message}"), ignore, given)


def test_a_tunnel_has_no_messages_to_limit() -> None:
    limited = RouteLimits(message=1000, fragments=10)
    tunnel = Tunnel(to=(TCP_TARGET,))
    routes = [
        Route(name="r", match=Match(path=PATH_A), action=RELAY, limits=limited),
        Route(name="t", match=Match(path=ANY_PATH), action=tunnel, limits=limited),
    ]
    written = {f"routes[{index}].limits.{key}" for index in (0, 1) for key in ("message", "fragments")}
    assert faults_of([], routes, written) == [
        (
            "routes[1].limits.message",
            "a tunnel has no messages, it passes a stream of bytes: remove it, or limit frames with frame",
        ),
        ("routes[1].limits.fragments", "a tunnel has no messages, it passes a stream of bytes: remove it"),
    ]
    assert faults_of([], routes, set()) == []  # it is of the defaults, and the relays'


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("redis://:S3cr3t@10.0.0.9", "rediss://"),
        ("redis+sentinel://:S3cr3t@127.0.0.1,a/main", "rediss+sentinel://"),
        ("redis://10.0.0.9", None),
        ("redis://:S3cr3t@localhost", None),
        ("rediss://:S3cr3t@10.0.0.9", None),
    ],
)
def test_a_password_of_redis_in_clear_text(text: str, cure: str | None) -> None:
    warned: list[tuple[str, str]] = []
    settings = Settings(listeners=(), routes=(), limits=Limits(shared=redis_url(text)))
    check(settings, no_fault, lambda path, message: warned.append((path, message)), ())
    assert [path for path, _ in warned] == ([] if cure is None else ["limits.shared"])
    for _, message in warned:
        assert f"write {cure}, or" in message
        assert "S3cr3t" not in message
