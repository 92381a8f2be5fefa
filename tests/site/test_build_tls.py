"""Each context is loaded once; what is wrong with it is said of each setting that names it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.pki import Authority, days
from wsgate.settings.draft import Broken, Draft
from wsgate.settings.load import read
from wsgate.settings.model import (
    Acme,
    BackendTls,
    Certificate,
    Listener,
    Relay,
    RelayBackend,
    Route,
    Settings,
    TcpAddress,
    Tls,
    TlsVersion,
    WebSocketUrl,
)
from wsgate.settings.problem import ConfigError
from wsgate.site.build import build
from wsgate.site.build_tls import TlsBuilder
from wsgate.site.certificates import CertificateError, load_changed

SETTINGS = Settings(listeners=(), routes=())


def builder(
    before: TlsBuilder | None = None, *, patient: bool = False, starting: bool = False
) -> tuple[TlsBuilder, Draft]:
    draft = Draft.of(SETTINGS)
    return TlsBuilder(draft, {} if before is None else before.live, patient=patient, starting=starting), draft


def route(tls: BackendTls, *, scheme_is_tls: bool = True) -> Route:
    url = WebSocketUrl(TcpAddress("a.test", 443), None, tls=scheme_is_tls)
    return Route(name="it", action=Relay(to=(RelayBackend(url=url),), tls=tls))


def test_routes_with_the_same_settings_share_a_context(authority: Authority) -> None:
    made, draft = builder()
    tls = BackendTls(ca=authority.file)
    for path in ("a", "b"):
        made.load_backends(route(tls), tls, path)
    assert len(made.live) == 1
    assert draft.problems == []


def test_a_fault_is_said_of_each_setting(tmp_path: Path) -> None:
    made, draft = builder()
    tls = BackendTls(ca=str(tmp_path / "none"))
    for path in ("a", "b"):
        made.load_backends(route(tls), tls, path)
    assert [problem.path for problem in draft.problems] == ["a.ca", "b.ca"]
    assert made.live == {}


def test_what_has_no_effect_is_checked_too(tmp_path: Path) -> None:
    made, draft = builder()
    tls = BackendTls(ca=str(tmp_path / "none"))
    made.load_backends(route(tls, scheme_is_tls=False), tls, "a")
    assert [problem.path for problem in draft.problems] == ["a.ca"]


def test_a_broken_setting_is_not_loaded(tmp_path: Path) -> None:
    made, draft = builder()
    made.load_backends(route(BackendTls()), BackendTls(ca=Broken()), "a")  # type: ignore[arg-type]
    draft.fault("b", "wrong already")
    made.load_backends(route(BackendTls()), BackendTls(ca=str(tmp_path / "none")), "b")
    assert len(draft.problems) == 1
    assert made.live == {}


@pytest.mark.parametrize("patient", [True, False])
def test_a_certificate_that_is_gone_stays_for_the_patient(authority: Authority, patient: bool) -> None:
    pair = authority.issue("a.test")
    listener = Listener(bind=TcpAddress("::1", 443), tls=Tls(certificate=pair.certificate, key=pair.key))
    first, _ = builder()
    first.load_listener(listener, "tls")
    Path(pair.key).unlink()
    now, draft = builder(first, patient=patient)
    now.load_listener(listener, "tls")
    assert (now.live == first.live, draft.problems == []) == (patient, patient)


def test_a_replaced_worker_awaits_what_came_with_a_reload(authority: Authority, tmp_path: Path) -> None:
    """The parent of workers has only the certificates of the start."""
    pair = authority.issue("a.test")
    file = tmp_path / "new.pem"
    listener = Listener(bind=TcpAddress("::1", 443), tls=Tls(certificate=str(file), key=pair.key))
    made, draft = builder(patient=True)
    made.load_listener(listener, "tls")
    (live,) = made.live.values()
    assert (draft.problems, live.own) == ([], {})
    file.write_bytes(Path(pair.certificate).read_bytes())
    assert (found := load_changed(live, 0.0)) is not None
    assert list(found.own) == [str(file)]


def test_a_renewal_is_beside_what_is_used(authority: Authority) -> None:
    pair = authority.issue("a.test")
    listener = Listener(bind=TcpAddress("::1", 443), tls=Tls(certificate=pair.certificate, key=pair.key))
    first, _ = builder()
    first.load_listener(listener, "tls")
    authority.issue("another.test")
    now, _ = builder(first)
    now.load_listener(listener, "tls")
    ((live, found),) = now.renewals
    assert now.live == first.live
    assert live in first.live.values()
    assert found.context is not live.context


def test_old_certificates_are_warned_of(authority: Authority) -> None:
    pair = authority.issue("a.test", not_before=days(-10), not_after=days(-1))
    made, draft = builder()
    made.load_listener(
        Listener(bind=TcpAddress("::1", 443), tls=Tls(certificate=pair.certificate, key=pair.key)), "tls"
    )
    assert [warning.path for warning in draft.warnings] == ["tls.certificate"]


def test_at_the_start_a_listener_waits_for_its_certificate(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("x.test")
    late = tmp_path / "late.pem"
    listener = Listener(bind=TcpAddress("127.0.0.1", 0), tls=Tls(certificate=str(late), key=pair.key))
    made, draft = builder(starting=True)
    made.load_listener(listener, "tls")
    assert draft.problems == []
    (warning,) = draft.warnings
    assert f"{str(late)!r} does not exist: clients are refused there until it is" in str(warning)
    (live,) = made.live.values()
    assert live.awaited

    again, draft = builder(made)  # a worker, or a reload before it is there
    again.load_listener(listener, "tls")
    assert (draft.problems, list(again.live.values())) == ([], [live])

    late.write_bytes(Path(pair.certificate).read_bytes())
    found = load_changed(live, 0.0)
    assert found is not None
    live.renew(found)
    assert not live.awaited
    assert list(live.own) == [str(late)]


def test_a_password_in_the_place_of_its_file_is_not_awaited(tmp_path: Path) -> None:
    """The log would have it at each look. It is a fault, also while the certificate is awaited."""
    file = tmp_path / "wsgate.yaml"
    file.write_text(
        "listeners: [{bind: 127.0.0.1:0, tls: {certificate: late.pem, key: late.key, password_file: hunter2}}]\n"
        "routes: [{name: a, respond: {}}]\n"
    )
    with pytest.raises(ConfigError) as refused:
        build(read(str(file)), starting=True)
    assert "tls.password_file: there is no such file" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    file.write_text(file.read_text().replace("hunter2", "late.password"))
    site = build(read(str(file)), starting=True)
    assert [live.awaited for live in site.tls.values()] == [True]


def test_of_several_certificates_those_that_are_there_are_served(authority: Authority, tmp_path: Path) -> None:
    """And each of the others as soon as it is there."""
    here = authority.issue("here.test", to="here")
    late = [Certificate(certificate=str(tmp_path / f"{n}.pem"), key=str(tmp_path / f"{n}.key")) for n in (1, 2)]
    several = (*late, Certificate(certificate=here.certificate, key=here.key))
    made, draft = builder(starting=True)
    made.load_listener(Listener(bind=TcpAddress("127.0.0.1", 0), tls=Tls(certificates=several)), "tls")
    assert draft.problems == []
    assert len(draft.warnings) == 4
    (live,) = made.live.values()
    assert list(live.own) == [here.certificate]
    assert live.missing == [one.certificate for one in late]
    with pytest.raises(CertificateError):  # nothing new
        load_changed(live, 0.0)

    authority.issue("here.test", to="here", not_after=days(40))  # it is renewed meanwhile
    found = load_changed(live, 0.0)
    assert found is not None
    live.renew(found)
    assert live.missing == [one.certificate for one in late]

    for left, one in ((1, late[0]), (0, late[1])):
        pair = authority.issue("late.test")
        shutil.copy(pair.certificate, str(one.certificate))
        shutil.copy(pair.key, str(one.key))
        found = load_changed(live, 0.0)
        assert found is not None
        live.renew(found)
        assert len(live.missing) == left
    assert not live.awaited
    os.unlink(here.key)
    with pytest.raises(CertificateError):  # all were there: the old ones stay in use
        load_changed(live, 0.0)


def test_a_reload_may_change_what_is_beside_an_awaited_file(authority: Authority, tmp_path: Path) -> None:
    """But it may not bring another file that is missing: that may be a mistake."""

    def settings(*names: str, **more: Any) -> Listener:
        certificates = tuple(Certificate(certificate=name) for name in names)
        return Listener(bind=TcpAddress("127.0.0.1", 0), tls=Tls(certificates=certificates, **more))

    late, mistake = str(tmp_path / "late.pem"), str(tmp_path / "mistake.pem")
    first, _ = builder(starting=True)
    first.load_listener(settings(late), "tls")
    here = tmp_path / "here.pem"
    pair = authority.issue("here.test")
    here.write_bytes(Path(pair.certificate).read_bytes() + Path(pair.key).read_bytes())

    now, draft = builder(first)
    now.load_listener(settings(late, str(here), min_version=TlsVersion.TLS13), "tls")
    assert draft.problems == []
    (live,) = now.live.values()
    assert (list(live.own), live.missing) == ([str(here)], [late])

    again, draft = builder(now)
    again.load_listener(settings(late, mistake), "tls")
    assert [problem.path for problem in draft.problems] == [
        "tls.certificates[0].certificate",
        "tls.certificates[1].certificate",
    ]


def test_one_that_is_gone_while_another_is_awaited_stays(authority: Authority, tmp_path: Path) -> None:
    here = authority.issue("here.test")
    several = Certificate(certificate=str(tmp_path / "late.pem")), Certificate(**here.settings())
    made, _ = builder(starting=True)
    made.load_listener(Listener(bind=TcpAddress("127.0.0.1", 0), tls=Tls(certificates=several)), "tls")
    (live,) = made.live.values()
    os.unlink(here.certificate)
    with pytest.raises(CertificateError):
        load_changed(live, 0.0)
    assert list(live.own) == [here.certificate]


@pytest.mark.parametrize("starting", [True, False])
def test_a_file_in_the_store_of_acme_that_is_none_is_replaced(
    authority: Authority, tmp_path: Path, starting: bool
) -> None:
    """By the next order, which does not wait for anybody."""
    acme = Acme(hosts=("a.test",), store=str(tmp_path))
    file = Path(acme.file)
    file.parent.mkdir()
    file.write_bytes(b"half a certificate")
    listener = Listener(bind=TcpAddress("127.0.0.1", 0), tls=Tls(acme=acme))
    made, draft = builder(starting=starting)
    made.load_listener(listener, "tls")
    assert draft.problems == []
    (warning,) = draft.warnings
    assert str(warning).endswith("a new one is ordered")
    (live,) = made.live.values()
    assert live.missing == [acme.file]
    with pytest.raises(CertificateError):
        load_changed(live, 0.0)

    pair = authority.issue("a.test")
    file.write_bytes(Path(pair.certificate).read_bytes() + Path(pair.key).read_bytes())
    found = load_changed(live, 0.0)
    assert found is not None
    live.renew(found)
    assert live.missing == []
    file.write_bytes(b"half a certificate")
    again, draft = builder(made)  # a reload
    again.load_listener(listener, "tls")
    assert (draft.problems, list(again.live.values())) == ([], [live])


def test_acme_hides_no_other_fault(tmp_path: Path) -> None:
    acme = Acme(hosts=("a.test",), store=str(tmp_path))
    made, draft = builder(starting=True)
    tls = Tls(acme=acme, client_ca=str(tmp_path / "none"))
    made.load_listener(Listener(bind=TcpAddress("127.0.0.1", 0), tls=tls), "tls")
    assert [problem.path for problem in draft.problems] == ["tls.client_ca"]
    assert made.live == {}


@pytest.mark.parametrize("starting", [True, False])
def test_what_is_there_and_wrong_keeps_the_gateway_from_its_start(tmp_path: Path, starting: bool) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.touch()
    made, draft = builder(starting=starting)
    made.load_listener(Listener(bind=TcpAddress("127.0.0.1", 0), tls=Tls(certificate=str(wrong))), "tls")
    assert draft.problems != []
    assert made.live == {}
