from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pki import Authority
from wsgate.settings.model import Acme, AcmeChallenge, Files, Listener, Settings, TcpAddress, Tls, UnixAddress
from wsgate.settings.problem import ConfigError
from wsgate.site import build as site_build
from wsgate.site.acme import acme_of, challenge_of
from wsgate.site.build import build
from wsgate.site.certificates import load_changed
from wsgate.site.site import Site


@pytest.fixture
def acme(tmp_path: Path) -> Acme:
    return Acme(hosts=("a.example.com", "b.example.com"), store=str(tmp_path))


def site(*settings: Acme) -> Site:
    plain = Listener(bind=TcpAddress("127.0.0.1", 80))
    others = (Listener(bind=TcpAddress("127.0.0.1", 443 + n), tls=Tls(acme=each)) for n, each in enumerate(settings))
    return build(Settings(listeners=(plain, *others), routes=()))


def test_the_challenges_of_its_names_are_served_from_the_store(acme: Acme) -> None:
    built = site(acme, acme)
    (route,) = built.challenges
    action = route.settings.action
    assert isinstance(action, Files)
    assert action.root == f"{acme.store}/challenges"
    for host in (b"a.example.com", b"B.example.com:80"):
        assert built.find_challenge(host, "/.well-known/acme-challenge/token") is route
    assert built.find_challenge(b"c.example.com", "/.well-known/acme-challenge/token") is None
    assert built.find_challenge(b"a.example.com", "/.well-known/other") is None
    assert list(acme_of(built.settings.listeners)) == [acme, acme]


SECURE, MAPPED, BALANCED = (
    Listener(bind=bind, tls=Tls())
    for bind in (TcpAddress("0.0.0.0", 443), TcpAddress("0.0.0.0", 8443), UnixAddress("/run/tls.sock"))
)
PLAIN, OTHER_PLAIN, PLAIN_SOCKET = (
    Listener(bind=bind) for bind in (TcpAddress("0.0.0.0", 80), TcpAddress("0.0.0.0", 8080), UnixAddress("/run/a.sock"))
)


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        ([PLAIN, SECURE], AcmeChallenge.HTTP),
        ([SECURE], AcmeChallenge.TLS_ALPN),
        ([MAPPED], AcmeChallenge.TLS_ALPN),
        ([BALANCED], AcmeChallenge.TLS_ALPN),
        ([OTHER_PLAIN, SECURE], AcmeChallenge.TLS_ALPN),
        ([OTHER_PLAIN, MAPPED], AcmeChallenge.HTTP),
        ([PLAIN_SOCKET, BALANCED], AcmeChallenge.HTTP),
        ([PLAIN_SOCKET, SECURE], AcmeChallenge.TLS_ALPN),
    ],
)
def test_which_challenge_is_asked_for(acme: Acme, listeners: list[Listener], expected: AcmeChallenge) -> None:
    assert challenge_of(acme, listeners) is expected
    for wanted in (AcmeChallenge.HTTP, AcmeChallenge.TLS_ALPN):
        assert challenge_of(replace(acme, challenge=wanted), listeners) is wanted


def test_without_acme_there_is_no_such_route() -> None:
    assert site().find_challenge(b"a.example.com", "/.well-known/acme-challenge/token") is None


def test_the_certificate_is_taken_into_use_when_it_comes(acme: Acme, tmp_path: Path) -> None:
    (live,) = site(acme).tls.values()
    assert live.own == {}
    assert load_changed(live, time.time()) is None
    pair = Authority(tmp_path).issue(*acme.hosts)
    (tmp_path / "certificates").mkdir()
    Path(acme.file).write_bytes(Path(pair.certificate).read_bytes() + Path(pair.key).read_bytes())
    found = load_changed(live, time.time())
    assert found is not None
    live.renew(found)
    assert list(live.own) == [acme.file]


def test_a_store_that_is_not_there(acme: Acme, tmp_path: Path) -> None:
    tmp_path.rmdir()
    with pytest.raises(ConfigError, match=r"tls.acme.store: the directory '.*' does not exist"):
        site(acme)


def test_without_the_extra(acme: Acme, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_build, "is_installed", lambda module: False)
    with pytest.raises(ConfigError, match=r"pip install 'wsgate\[acme\]'"):
        site(acme)
