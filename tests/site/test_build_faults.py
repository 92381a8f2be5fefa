"""What is wrong on this machine; tests/settings/invalid has what can be shown by files alone."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.pki import Authority, days
from wsgate.settings.draft import Broken, Draft
from wsgate.settings.model import (
    SCHEMES_PORT,
    Acme,
    Address,
    Auth,
    BackendTls,
    Basic,
    Certificate,
    EntryPoint,
    Files,
    Jwt,
    Limits,
    Listener,
    Log,
    LogTo,
    LogToKind,
    Lookup,
    Match,
    Place,
    PlaceKind,
    Record,
    Redis,
    RedisUrl,
    Relay,
    RelayBackend,
    Route,
    Settings,
    Target,
    TcpAddress,
    Tls,
    Token,
    TokenUrl,
    Tracing,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.settings.problem import ConfigError
from wsgate.site.build import build
from wsgate.text.file import owners

QUERY = Place(PlaceKind.QUERY, "token")
REDIS = TcpAddress("redis", 6379)
TLS_TARGET = Target(TcpAddress("x", 5901), tls=True)
TO = (Target(TcpAddress("a", 1)),)
BCRYPT = "ann:$2y$05$" + "a" * 53
NO_BCRYPT = "a bcrypt hash needs bcrypt, not installed here: pip install 'wsgate[basic]'"


def ws(host: str) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(TcpAddress(host, 80), None))


def wss(host: str) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(TcpAddress(host, 443), None, tls=True))


def one_tls(directory: Path) -> Tls:
    pair = Authority(directory).issue("a.test")
    return Tls(certificate=pair.certificate, key=pair.key)


def draft_of(*listeners: Any, routes: Sequence[Any] = ()) -> Draft:
    """A draft with all faults and warnings that building it notes."""
    draft = Draft(Settings(listeners=listeners, routes=tuple(routes)))
    with contextlib.suppress(ConfigError):
        build(draft)
    return draft


def noted(draft: Draft) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in draft.problems]


def faults(binds: list[Address], routes: list[Any]) -> list[tuple[str, str]]:
    return faults_of([Listener(bind=bind) for bind in binds], routes)


def faults_of(listeners: list[Any], routes: list[Any]) -> list[tuple[str, str]]:
    return noted(draft_of(*listeners, routes=routes))


def basic_faults(*users: str, file: str | None = None) -> list[tuple[str, str]]:
    route = Route(name="a", action=Relay(to=(ws("a"),)), auth=Auth(basic=Basic(users=users, file=file)))
    return [(path.removeprefix("routes[0].auth.basic."), message) for path, message in faults_of([], [route])]


def tunnel_faults(tunnel: Tunnel) -> list[tuple[str, str]]:
    found = faults_of([], [Route(name="a", action=tunnel)])
    return [(path.removeprefix("routes[0].tunnel."), message) for path, message in found]


def token_faults(**source: Any) -> list[tuple[str, str]]:
    return tunnel_faults(Tunnel(token=Token(from_=(QUERY,), **source)))


@pytest.mark.parametrize("bind", [TcpAddress("::1", 80), UnixAddress("/a")])
def test_two_listeners_cannot_have_one_address(bind: Address) -> None:
    message = f"listeners[0] has {bind} already: remove one of them"
    assert faults([bind, TcpAddress("a", 1), bind, bind], []) == [
        ("listeners[2].bind", message),
        ("listeners[3].bind", message),
    ]


def test_two_listeners_cannot_have_overlapping_addresses() -> None:
    binds: list[Address] = [TcpAddress("0.0.0.0", 80), TcpAddress("127.0.0.1", 80), TcpAddress("127.0.0.1", 81)]
    why = "listeners[0] has 0.0.0.0:80, which takes 127.0.0.1:80 too"
    assert faults(binds, []) == [("listeners[1].bind", f"{why}: remove one of them, or change its port")]


def test_port_0_may_be_there_twice() -> None:
    assert faults([TcpAddress("::1", 0), TcpAddress("::1", 0)], []) == []


def test_a_bind_without_a_port_is_compared_by_the_port_that_it_gets(tmp_path: Path) -> None:
    anywhere = TcpAddress("a", SCHEMES_PORT)
    listeners = [
        Listener(bind=anywhere),
        Listener(bind=anywhere, tls=one_tls(tmp_path)),
        Listener(bind=TcpAddress("a", 80)),
        Listener(bind=TcpAddress("a", 443)),
    ]
    assert faults_of(listeners, []) == [
        ("listeners[2].bind", "listeners[0] has a:80 already: remove one of them"),
        ("listeners[3].bind", "listeners[1] has a:443 already: remove one of them"),
    ]


def test_the_files_of_tls_are_looked_at(tmp_path: Path) -> None:
    tls = one_tls(tmp_path)
    other = Authority(tmp_path, "other").issue("b.test", to="other")
    none = Listener(bind=UnixAddress("/a"), tls=Tls())
    several = Listener(
        bind=UnixAddress("/b"),
        tls=Tls(certificates=(Certificate(certificate=tls.certificate, key=other.key),)),
    )
    gone = BackendTls(ca="/no/such/ca", server_name="x")
    routes = [
        Route(name="a", match=Match(host=("a",)), action=Relay(to=(wss("a"), ws("b")), tls=gone)),
        Route(name="b", match=Match(host=("b",)), action=Tunnel(to=(TLS_TARGET,), tls=gone)),
        Route(name="c", match=Match(host=("c",)), action=Relay(to=(wss("a"),), tls=BackendTls(server_name="x"))),
        # Whether it would do nothing is not known here
        Route(name="d", match=Match(host=("d",)), action=Relay(to=(Broken(),), tls=gone)),  # type: ignore[arg-type]
    ]
    assert faults_of([none, several], routes) == [
        (
            "listeners[1].tls.certificates[0].key",
            f"the key in {other.key!r} does not belong to the first certificate in {tls.certificate!r}",
        ),
        ("routes[0].relay.tls.ca", "the file '/no/such/ca' does not exist"),
        ("routes[1].tunnel.tls.ca", "the file '/no/such/ca' does not exist"),
        ("routes[3].relay.tls.ca", "the file '/no/such/ca' does not exist"),
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


def test_a_certificate_that_has_expired_is_a_warning(tmp_path: Path) -> None:
    """Everything else can be served, and it too: its clients decide."""
    old = Authority(tmp_path).issue("x.test", not_before=days(-30), not_after=days(-1))
    listener = Listener(bind=TcpAddress("a", 443), tls=Tls(certificate=old.certificate, key=old.key))
    action = Relay(to=(wss("a"),), tls=BackendTls(certificate=old.certificate, key=old.key))
    draft = draft_of(listener, routes=[Route(name="a", action=action)])
    assert draft.problems == []
    dated = [warning.path for warning in draft.warnings if warning.message.endswith("1 day ago: renew it")]
    assert dated == ["listeners[0].tls.certificate", "routes[0].relay.tls.certificate"]


def test_a_hash_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "users"
    file.write_text(f"bob:{{PLAIN}}a\n{BCRYPT}\n")
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    assert basic_faults("bob:{PLAIN}a") == []
    assert basic_faults(BCRYPT, file=str(file)) == [
        ("users[0]", NO_BCRYPT),
        ("file", f"line 2 of {str(file)!r}: {NO_BCRYPT}"),
    ]
    there = ModuleType("bcrypt")
    there.__spec__ = sys.__spec__
    monkeypatch.setitem(sys.modules, "bcrypt", there)
    assert basic_faults(BCRYPT, file=str(file)) == []


def test_shared_limits_need_their_library(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(shared=RedisUrl(False, (TcpAddress("a", 6379),)))
    settings = Settings(listeners=(), routes=(), limits=limits)
    build(settings)
    monkeypatch.setitem(sys.modules, "redis", None)
    draft = Draft.of(settings)
    with pytest.raises(ConfigError):
        build(draft)
    assert noted(draft) == [("limits.shared", "it needs redis-py, not installed here: pip install 'wsgate[redis]'")]


def test_tracing_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(listeners=(), routes=(), tracing=Tracing(to="http://a/v1/traces"))
    build(settings)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    draft = Draft.of(settings)
    with pytest.raises(ConfigError):
        build(draft)
    assert noted(draft) == [("tracing", "it needs OpenTelemetry, not installed here: pip install 'wsgate[otel]'")]


def test_acme_needs_its_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them there is no certificate of our own either, which clients get meanwhile."""
    tls = Tls(acme=Acme(hosts=("a.example.com",), store=str(tmp_path)))
    settings = Settings(listeners=(Listener(bind=TcpAddress("127.0.0.1", 443), tls=tls),), routes=())
    build(settings)
    for module in ("acme", "cryptography"):
        monkeypatch.setitem(sys.modules, module, None)
    draft = Draft.of(settings)
    with pytest.raises(ConfigError):
        build(draft)
    needs = "it needs the ACME client, not installed here: pip install 'wsgate[acme]'"
    assert noted(draft) == [("listeners[0].tls.acme", needs)]


def test_a_file_with_many_wrong_lines_has_some_of_them_named(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ann\n" * 12)
    found = basic_faults(file=str(file))
    assert [message.partition(" of ")[0] for _, message in found[:-1]] == [f"line {n}" for n in range(1, 11)]
    assert found[-1] == ("file", f"2 more lines of {str(file)!r} are wrong")


def test_one_user_may_stand_in_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ann:{PLAIN}b\n")
    assert basic_faults("ann:{PLAIN}a", file=str(file)) == []


@pytest.mark.parametrize(
    ("gone", "missing"),
    [
        (["jwt"], "PyJWT"),
        (["cryptography"], "cryptography"),
        (["jwt", "cryptography"], "PyJWT and cryptography"),
    ],
)
def test_signed_tokens_need_their_libraries(
    gone: list[str], missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.touch()
    for module in gone:
        monkeypatch.setitem(sys.modules, module, None)
    assert token_faults(jwt=Jwt(key=str(key))) == [
        ("token.jwt", f"it needs {missing}, not installed here: pip install 'wsgate[jwt]'")
    ]


def test_what_a_python_object_lacks_stands_at_its_key() -> None:
    assert token_faults(python=Lookup(call=EntryPoint("json.decoder", "scanstrin"))) == [
        ("token.python.call", "json.decoder has no scanstrin; did you mean 'scanstring'?")
    ]
    assert token_faults(python=Lookup(call=EntryPoint("json", "loads"), source="a")) == [
        ("token.python.source", "it would do nothing, only a class is made with it, and loads is none: remove it")
    ]


def test_files_that_only_others_may_read_are_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, int] = {}

    def access(path: str, mode: int, *, effective_ids: bool) -> bool:
        asked[path] = mode
        return not mode & (os.R_OK | os.W_OK)

    for name in ("tokens", "targets", "recordings"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "access", access)
    tokens, targets, recordings = (str(tmp_path / name) for name in ("tokens", "targets", "recordings"))

    def permit(path: str) -> str:
        return f"permit it to the user that runs wsgate: {owners(path)}"

    # a directory of files is listed, one of targets is not
    assert token_faults(file=tokens) == [("token.file", f"the directory {tokens!r} cannot be read: {permit(tokens)}")]
    assert token_faults(directory=targets) == []
    assert tunnel_faults(Tunnel(to=TO, record=Record(directory=recordings))) == [
        ("record.directory", f"the directory {recordings!r} cannot be written to: {permit(recordings)}")
    ]


def test_a_sources_certificate_that_has_expired_is_a_warning(tmp_path: Path) -> None:
    """Of a source that is asked over TLS, too."""
    old = Authority(tmp_path).issue("x.test", not_before=days(-30), not_after=days(-1))
    tls = BackendTls(certificate=old.certificate, key=old.key)
    warned: list[str] = []
    sources: list[dict[str, Any]] = [
        {"redis": Redis(address=REDIS, tls=tls)},
        {"url": TokenUrl(True, TcpAddress("a", 443), "/{token}"), "url_tls": tls},
    ]
    for source in sources:
        tunnel = Tunnel(token=Token(from_=(QUERY,), **source))
        draft = draft_of(routes=[Route(name="a", action=tunnel)])
        assert draft.problems == []
        warned += [warning.path for warning in draft.warnings]
    assert [path.removeprefix("routes[0].tunnel.") for path in warned] == [
        "token.redis.tls.certificate",
        "token.url_tls.certificate",
    ]


def backend_file(tmp_path: Path, text: str | None) -> Draft:
    file = tmp_path / "chat.backends"
    if text is not None:
        file.write_text(text)
    return draft_of(routes=[Route(name="a", action=Relay(to_file=str(file)))])


def test_a_file_of_backends(tmp_path: Path) -> None:
    file = tmp_path / "chat.backends"
    draft = backend_file(tmp_path, "ws://a:1\nb:1\nws://c:1 weight=0\n")
    assert [(path, message.partition(" ")[0]) for path, message in noted(draft)] == [
        ("routes[0].relay.to_file", f"{file}:2:1:"),
        ("routes[0].relay.to_file", f"{file}:3:10:"),
    ]
    (tmp_path / "chat.backends").unlink()
    assert noted(backend_file(tmp_path / "no", None)) == [
        ("routes[0].relay.to_file", f"the directory '{tmp_path / 'no'}' does not exist")
    ]


@pytest.mark.parametrize("text", [None, "", "# soon"])
def test_a_file_of_backends_that_is_written_later(tmp_path: Path, text: str | None) -> None:
    draft = backend_file(tmp_path, text)
    assert noted(draft) == []
    (warning,) = draft.warnings
    assert warning.path == "routes[0].relay.to_file"
    assert warning.message.endswith("; clients get 503 until it has backends, if there are none in to")


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    def faults(path: Path) -> list[str]:
        log = Log(to=LogTo(LogToKind.FILE, str(path)))
        draft = Draft(Settings(listeners=(), routes=(), log=log))
        with contextlib.suppress(ConfigError):
            build(draft)
        return [str(problem) for problem in draft.problems]

    assert faults(tmp_path / "new.log") == []
    (tmp_path / "old.log").touch()
    assert faults(tmp_path / "old.log") == []
    assert "does not exist" in faults(tmp_path / "none" / "new.log")[0]
    assert "cannot be written to" in faults(tmp_path)[0]
