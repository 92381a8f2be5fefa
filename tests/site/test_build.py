"""Settings that become a site, and another site."""

from __future__ import annotations

import logging
import pickle
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pki import Authority
from wsgate.net.plain import take_over
from wsgate.settings.draft import Draft
from wsgate.settings.load import load, reads
from wsgate.settings.model import (
    Auth,
    BackendTls,
    Basic,
    ClientTarget,
    Files,
    Jwt,
    Listener,
    Place,
    PlaceKind,
    Redis,
    Relay,
    RelayBackend,
    Route,
    Settings,
    Target,
    TcpAddress,
    Tls,
    Token,
    TokenUrl,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.settings.problem import ConfigError
from wsgate.site.build import build, discard, tried_out, try_out
from wsgate.site.passwords import Users
from wsgate.site.site import Site
from wsgate.site.tokens.lookups import Lookups
from wsgate.wire.http import Refusal

PLACES = (Place(PlaceKind.QUERY, "token"),)
LISTENER = Listener(bind=TcpAddress("127.0.0.1", 80))
FILES = Route(name="files", action=Files(root="/"))


def settings(*routes: Route) -> Settings:
    return Settings(listeners=(LISTENER,), routes=routes)


def by_token(name: str, **source: object) -> Route:
    return Route(name=name, action=Tunnel(token=Token(from_=PLACES, **source)))  # type: ignore[arg-type]


def by_password(name: str, *users: str) -> Route:
    return Route(name=name, action=Files(root="/"), auth=Auth(basic=Basic(users=users)))


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    (tmp_path / "tokens").write_text("a: h:1\n")
    return str(tmp_path / "tokens")


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[Lookups]:
    closed: list[Lookups] = []
    monkeypatch.setattr(Lookups, "close", lambda self: closed.append(self))
    return closed


async def test_a_route_has_what_its_requests_need(tokens: str) -> None:
    target = Target(UnixAddress("/run/x"))
    tunnel = Route(name="to", action=Tunnel(to=(target,)))
    site = build(settings(by_token("it", file=tokens), tunnel, by_password("files", "me:{PLAIN}x"), FILES))
    it, to, closed, free = site.routes
    assert it.lookups is not None
    found = await it.lookups.targets("a")
    assert isinstance(found, tuple)
    assert str(found[0]) == "tcp://h:1"
    assert [each.address for each in to.tunnels_to] == [target]
    assert (to.lookups, to.rules, to.auth, to.tls) == (None, None, None, None)
    assert it.rules is not None
    assert closed.auth is not None
    assert free.auth is None
    assert [listener.settings for listener in site.listeners] == [LISTENER]


def test_what_did_not_change_is_the_same(tokens: str) -> None:
    first = settings(by_token("same", file=tokens), by_token("other", file=tokens), FILES)
    before = build(first)
    changed = replace(first.routes[1], action=Tunnel(token=Token(from_=PLACES, file=tokens, revoke=True)))
    # read anew, as a reload does it: equal, and not the same
    again = replace(first, routes=(by_token("same", file=tokens), changed, replace(FILES)))
    now = build(again, before)
    assert now.routes[0] is before.routes[0]
    assert now.routes[1].lookups is not before.routes[1].lookups
    assert now.routes[2] is before.routes[2]
    assert now.settings.routes[0] is before.settings.routes[0]
    assert now.listeners[0] is before.listeners[0]


def test_a_routes_lookups_stay_where_something_else_changed(tokens: str) -> None:
    before = build(settings(by_token("it", file=tokens)))
    route = before.settings.routes[0]
    now = build(settings(replace(route, origins=("https://a.test",))), before)
    assert now.routes[0] is not before.routes[0]
    assert now.routes[0].lookups is before.routes[0].lookups


def test_passwords_that_are_known_stay_known() -> None:
    """Also for another route that takes the same."""
    before = build(settings(by_password("a", "me:{PLAIN}x")))
    now = build(settings(by_password("b", "me:{PLAIN}x"), by_password("c", "me:{PLAIN}y")), before)
    same, other = ([credential for _, credential in route.auth.kinds] for route in now.routes if route.auth)
    assert before.routes[0].auth is not None
    known = [credential for _, credential in before.routes[0].auth.kinds]
    assert same == known
    assert other != known


def test_every_fault_at_once_and_nothing_left_open(tokens: str, tmp_path: Path, closed: list[Lookups]) -> None:
    (tmp_path / "jwks").write_text("no JSON")
    before = build(settings(by_token("kept", file=tokens)))
    bad = Jwt(jwks=str(tmp_path / "jwks"))
    faulty = settings(
        by_token("kept", file=tokens), by_token("new", file=tokens), by_token("x", jwt=bad), by_token("y", jwt=bad)
    )
    with pytest.raises(ConfigError) as caught:
        build(faulty, before)
    first, second = caught.value.problems
    assert (first.path, second.path) == ("routes[2].tunnel.token.jwt.jwks", "routes[3].tunnel.token.jwt.jwks")
    assert first.message.startswith(f"{tmp_path / 'jwks'}: is no JSON")
    assert [lookups.settings for lookups in closed] == [Token(from_=PLACES, file=tokens)]
    assert closed[0] is not before.routes[0].lookups


def test_a_site_that_is_not_wanted(tokens: str, closed: list[Lookups]) -> None:
    before = build(settings(by_token("kept", file=tokens)))
    now = build(settings(by_token("kept", file=tokens), by_token("new", file=tokens)), before)
    discard(now, before)
    assert closed == [now.routes[1].lookups]


async def test_idle_connections_to_backends_that_are_gone_are_closed() -> None:
    def relays(*ports: int) -> Settings:
        to = tuple(RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", port), None)) for port in ports)
        return settings(Route(name="it", action=Relay(to=to)))

    before = build(relays(1, 2))
    upstream = before.routes[0].upstream
    assert upstream is not None
    ends = [socket.socketpair() for _ in range(2)]
    for backend, (near, _) in zip(upstream.backends, ends, strict=True):
        backend.idle.put(take_over(near))
    discard(before, build(relays(2), before))
    assert [len(backend.idle) for backend in upstream.backends] == [0, 1]
    upstream.backends[1].idle.close()
    for _, far in ends:
        far.close()


def test_without_sources_nothing_is_opened(tmp_path: Path) -> None:
    route = by_token("it", file=str(tmp_path / "missing"))
    site = build(settings(route), sources=False)
    assert site.routes[0].lookups is None
    with pytest.raises(ConfigError):
        build(settings(route), site)


FILE = """\
listeners:
  - {bind: 127.0.0.1:80, tls: {certificate: none.pem, key: none.key}}
routes:
  - name: broken
    match: {path: nowhere}
    files: {root: none}
  - name: tokens
    match: {path: /tokens}
    tunnel:
      token: {from: nowhere, timeout: never, python: {call: "no_such_module:f"}}
  - name: keys
    match: {path: /keys}
    auth: {basic: {file: none.htpasswd}}
    tunnel:
      token:
        from: host
        redis: {address: "redis:6379", password_file: none.password, tls: {ca: none.pem}}
      record: {directory: none, max_size: 5}
"""


def test_a_file_is_refused_once_with_every_fault_of_it_in_its_place(tmp_path: Path) -> None:
    """Also where one part of it is broken, and another names what is not there."""
    draft = reads(FILE, str(tmp_path / "wsgate.yaml"))
    with pytest.raises(ConfigError) as caught:
        build(draft)
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (2, "listeners[0].tls.certificate"),
        (2, "listeners[0].tls.key"),
        (5, "routes[0].match.path"),
        (6, "routes[0].files.root"),
        (10, "routes[1].tunnel.token.from"),
        (10, "routes[1].tunnel.token.timeout"),
        (10, "routes[1].tunnel.token.python.call"),
        (13, "routes[2].auth.basic.file"),
        (17, "routes[2].tunnel.token.redis.password_file"),
        (17, "routes[2].tunnel.token.redis.tls.ca"),
        (18, "routes[2].tunnel.record.directory"),
        (18, "routes[2].tunnel.record.max_size"),
    ]


def test_settings_that_were_sent_to_a_worker_still_name_their_places(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    (tmp_path / "site").mkdir()
    file.write_text("listeners: [{bind: 127.0.0.1:1}]\nroutes: [{name: a, files: {root: site}}]\n")
    sent = pickle.loads(pickle.dumps(load(str(file))))
    build(sent)
    (tmp_path / "site").rmdir()
    with pytest.raises(ConfigError, match=rf"^{file}:2:34: routes\[0\]\.files\.root: the directory .* does not exist$"):
        build(sent)


async def test_a_workers_replacement_serves_what_can_be_served(
    tmp_path: Path, tokens: str, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("a.test")
    (tmp_path / "users").write_text("ann:{PLAIN}x\n")
    (tmp_path / "site").mkdir()
    auth = Auth(basic=Basic(file=str(tmp_path / "users")))
    site = Route(name="site", action=Files(root=str(tmp_path / "site")), auth=auth)
    target = ClientTarget(from_=PLACES)
    named = Route(name="named", action=Tunnel(target=target, tls=BackendTls(ca=authority.file)))
    first = settings(by_token("it", file=tokens), site, named)
    tls = Tls(certificate=pair.certificate, key=pair.key)
    before = build(replace(first, listeners=(Listener(bind=LISTENER.bind, tls=tls),)), sources=False)
    for file in (Path(pair.key), Path(tokens), tmp_path / "users", Path(authority.file)):
        file.unlink()
    (tmp_path / "site").rmdir()
    with pytest.raises(ConfigError) as caught:
        build(before.settings, before)
    assert [problem.path for problem in caught.value.problems] == [
        "listeners[0].tls.key",
        "routes[0].tunnel.token.file",
        "routes[1].files.root",
        "routes[1].auth.basic.file",
        "routes[2].tunnel.tls.ca",
    ]
    now = build(before.settings, before, patient=True)
    assert now.listeners[0].tls is before.listeners[0].tls
    assert [record.getMessage() for record in caplog.records] == ["token source broken"]
    assert now.routes[0].lookups is not None
    assert isinstance(await now.routes[0].lookups.targets("a"), Refusal)


def test_a_site_that_is_refused_has_changed_nothing(tmp_path: Path, tokens: str) -> None:
    """A renewal of a certificate is not taken into use, either."""
    authority = Authority(tmp_path)
    pair = authority.issue("a.test")
    tls = Tls(certificate=pair.certificate, key=pair.key)
    before = build(Settings(listeners=(Listener(bind=LISTENER.bind, tls=tls),), routes=(by_token("it", file=tokens),)))
    context = before.listeners[0].context
    authority.issue("b.test")
    with pytest.raises(ConfigError):
        build(replace(before.settings, routes=(*before.settings.routes, by_token("x", file="/none"))), before)
    assert before.listeners[0].context is context
    now = build(before.settings, before)
    assert now.listeners[0] is before.listeners[0]
    assert before.listeners[0].tls in [live for live, _ in now.renewals]
    assert before.listeners[0].context is context


def test_what_is_tried_out_is_closed_and_logs_nothing(
    tokens: str, closed: list[Lookups], caplog: pytest.LogCaptureFixture
) -> None:
    Path(tokens).write_text("no colon\n")
    before = build(settings(by_token("kept", file=tokens)))
    caplog.clear()
    try_out(settings(by_token("kept", file=tokens), by_token("new", file=tokens)), before)
    assert [lookups.settings for lookups in closed] == [Token(from_=PLACES, file=tokens)]
    assert closed[0] is not before.routes[0].lookups
    with pytest.raises(ConfigError):
        try_out(settings(by_token("new", file="/none")), before)
    assert caplog.records == []
    logging.getLogger("wsgate").error("heard again")
    assert len(caplog.records) == 1


def test_what_is_tried_out_can_be_looked_at(tokens: str, closed: list[Lookups]) -> None:
    with tried_out(settings(by_token("new", file=tokens))) as site:
        lookups = site.routes[0].lookups
        assert closed == []
    assert closed == [lookups]


def test_of_several_sources_each_is_tried(tokens: str, closed: list[Lookups]) -> None:
    several = by_token("it", file=tokens, directory="/none", jwt=Jwt(key="/none", jwks="/no/keys"))
    with pytest.raises(ConfigError) as caught:
        build(settings(several))
    assert [problem.path.removeprefix("routes[0].tunnel.token.") for problem in caught.value.problems] == [
        "directory",
        "jwt.key",
        "jwt.jwks",
    ]
    assert len(closed) == 1


def test_kept_source_checks_its_files_without_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    tls = BackendTls(ca=authority.file)
    url = TokenUrl(True, TcpAddress("a", 443), "/{token}")
    for name in ("tokens", "key", "password"):
        (tmp_path / name).write_text("sesame sesame sesame sesame sesame")
    for name in ("files", "targets"):
        (tmp_path / name).mkdir()
    redis = Redis(address=TcpAddress("a", 1), password_file=str(tmp_path / "password"), tls=tls)
    routes = [
        by_token("file", file=str(tmp_path / "tokens")),
        by_token("files", file=str(tmp_path / "files")),
        by_token("directory", directory=str(tmp_path / "targets")),
        by_token("jwt", jwt=Jwt(key=str(tmp_path / "key"))),
        by_token("redis", redis=redis),
        by_token("url", url=url, url_tls=tls),
    ]
    before = build(settings(*routes))
    monkeypatch.setattr("wsgate.site.build.open_lookups", None)
    now = build(settings(*routes), before)
    assert [route.lookups for route in now.routes] == [route.lookups for route in before.routes]
    for file in ("tokens", "key", "password", authority.file):
        (tmp_path / file).unlink()
    (tmp_path / "key").mkdir()
    for directory in ("files", "targets"):
        (tmp_path / directory).rmdir()
    with pytest.raises(ConfigError) as caught:
        build(settings(*routes), before)
    assert [problem.path.partition(".token.")[2] for problem in caught.value.problems] == [
        "file",
        "file",
        "directory",
        "jwt.key",
        "redis.password_file",
        "redis.tls.ca",
        "url_tls.ca",
    ]
    assert caught.value.problems[3].message == f"{str(tmp_path / 'key')!r} is not a file"
    assert build(settings(*routes), before, patient=True).routes[0].lookups is before.routes[0].lookups


def test_a_fallback_must_be_there(tmp_path: Path) -> None:
    text = (
        "listeners: [{bind: 127.0.0.1:8080}]\n"
        "routes:\n"
        "  - {name: a, match: {path: /a/*}, files: {root: ., fallback: /index.html}}\n"
        "  - {name: b, match: {path: /b/*}, files: {root: ., fallback: /none.html}}\n"
        "  - {name: c, match: {path: /c/*}, files: {root: none, fallback: /none.html}}\n"
    )
    (tmp_path / "index.html").touch()
    with pytest.raises(ConfigError) as caught:
        build(reads(text, str(tmp_path / "gate.yaml")))
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        (
            "routes[1].files.fallback",
            f"the file '{tmp_path}/none.html' does not exist: put it there, or name another one",
        ),
        ("routes[2].files.root", f"the directory '{tmp_path}/none' does not exist"),
    ]


def test_a_file_of_backends(tmp_path: Path) -> None:
    """A reload refuses a file that is wrong; the replacement of a worker serves with what is known."""
    file = tmp_path / "chat.backends"
    file.write_text("wss://a")

    def settings(**more: Any) -> Settings:
        return Settings(listeners=(), routes=(Route(name="a", action=Relay(to_file=str(file), **more)),))

    def backends(site: Site) -> list[str]:
        assert site.routes[0].upstream is not None
        return [each.name for each in site.routes[0].upstream.backends]

    first = build(settings())
    assert backends(first) == ["wss://a:443"]
    assert first.routes[0].tls is not None
    file.write_text("ws://b")
    assert build(settings(), first).routes[0] is first.routes[0]
    assert backends(build(settings(resolve=5.0), first)) == ["ws://b:80"]
    file.write_text("b")
    with pytest.raises(ConfigError):
        build(settings(), first)
    assert backends(build(settings(resolve=5.0), first, patient=True)) == ["wss://a:443"]
    file.unlink()
    draft = Draft.of(settings(resolve=5.0))
    assert backends(build(draft, first)) == ["wss://a:443"]
    assert draft.warnings[0].message == f"the file '{file}' does not exist; its backends stay as they were"


def test_a_file_of_passwords_is_read_once_for_a_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each route that names it says what is wrong with it."""
    loaded: list[Users] = []
    load_users = Users.load

    def noted(users: Users) -> Any:
        loaded.append(users)
        return load_users(users)

    basic = Basic(file=str(tmp_path / "none"))
    monkeypatch.setattr(Users, "load", noted)
    routes = [Route(name=name, action=Files(root="/"), auth=Auth(basic=basic)) for name in "ab"]
    with pytest.raises(ConfigError) as caught:
        build(settings(*routes))
    assert [problem.path for problem in caught.value.problems] == [
        "routes[0].auth.basic.file",
        "routes[1].auth.basic.file",
    ]
    assert len(loaded) == 1
