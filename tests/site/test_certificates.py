"""TLS contexts and their files: what is loaded, kept and taken into use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ops.test_certificates import listener, relay, settings
from tests.pki import Authority, Pair, days
from wsgate.net.tls.pem_files import PemFiles
from wsgate.settings.model import BackendTls, Listener, Route, Tls
from wsgate.settings.problem import ConfigError
from wsgate.site import certificates as module
from wsgate.site.build import build
from wsgate.site.site import Site
from wsgate.text import file as text_file


def test_every_fault_is_said_at_once(authority: Authority, tmp_path: Path) -> None:
    pair, missing = authority.issue("one.test"), str(tmp_path / "missing")
    listeners = listener(Pair(missing, pair.key)), listener(Pair(pair.certificate, missing), port=444)
    with pytest.raises(ConfigError) as caught:
        build(settings(*listeners, relay(ca=missing)))
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        (path, f"the file '{missing}' does not exist")
        for path in (
            "listeners[0].tls.certificates[0].certificate",
            "listeners[1].tls.certificates[0].key",
            "routes[0].relay.tls.ca",
        )
    ]


def test_a_file_that_changes_after_it_was_checked(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = authority.issue("one.test")

    def check(tls: Tls, pem: PemFiles) -> list[tuple[str, str]]:
        os.unlink(pair.key)
        return []

    monkeypatch.setattr(module, "check_listener_tls", check)
    with pytest.raises(ConfigError, match="No such file"):
        build(settings(listener(pair)))


def test_each_file_is_read_once_for_a_site(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many routes name it, and although it is checked, loaded and looked at for its dates."""
    read: list[str] = []
    read_file = text_file.read_file

    def noted(path: str, max_bytes: int) -> bytes:
        read.append(path)
        return read_file(path, max_bytes)

    monkeypatch.setattr(text_file, "read_file", noted)
    pair = authority.issue("one.test")
    build(settings(listener(pair), relay("a", ca=authority.file), relay("b", ca=authority.file, server_name="b.test")))
    assert sorted(read) == sorted([pair.certificate, pair.key, authority.file])


def test_what_has_not_changed_stays(authority: Authority) -> None:
    """The contexts too, so that tickets that were given out before still hold. The system's CAs are read anew."""
    pair = authority.issue("one.test")
    before = site(listener(pair), relay("ours", ca=authority.file), relay("system"))
    now = build(before.settings, before)
    assert list(now.listeners) == list(before.listeners)
    assert list(now.routes) == list(before.routes)
    assert [live for live, _ in now.renewals] == [before.routes[1].tls]


def test_a_renewal_is_found_and_not_yet_used(authority: Authority) -> None:
    before = site(listener(authority.issue("one.test")))
    context = before.listeners[0].context
    authority.issue("two.test")
    now = build(before.settings, before)
    assert now.listeners[0] is before.listeners[0]
    ((live, found),) = now.renewals
    assert live.context is context
    live.renew(found)
    assert before.listeners[0].context is found.context is not context


def test_a_worker_begins_with_its_parents_where_a_file_is_broken_since(authority: Authority) -> None:
    """And without a broken file, with the same context: a ticket of one worker is valid at all."""
    pair, other = authority.issue("a.test"), authority.issue("b.test")
    before = site(listener(pair), listener(other, port=444))
    Path(pair.certificate).write_text("half a")
    with pytest.raises(ConfigError):
        build(before.settings, before)
    assert build(before.settings, before, patient=True).tls == before.tls
    with pytest.raises(ConfigError):
        build(before.settings, patient=True)  # there is nothing to be kept


def test_no_certificate_that_is_worse_is_taken(authority: Authority) -> None:
    pair = authority.issue("one.test")
    before = site(listener(pair))
    authority.issue("one.test", not_before=days(-30), not_after=days(-3))
    assert build(before.settings, before).renewals == []
    old = build(before.settings)
    authority.issue("one.test", not_before=days(-30), not_after=days(-2))
    assert len(build(before.settings, old).renewals) == 1  # between two that have expired the newer one


def test_the_present_context_to_a_service(authority: Authority, tmp_path: Path) -> None:
    ca = tmp_path / "other.pem"
    context = module.present_context(BackendTls(ca=str(ca)))
    with pytest.raises(module.CertificateError):
        context()
    ca.write_bytes(authority.ca.cert_pem.bytes())
    first = context()
    assert context() is first
    ca.write_bytes(b"half of a renewal")
    assert context() is first
    ca.write_bytes(authority.ca.cert_pem.bytes() * 2)
    assert context() is not first


def site(*of: Listener | Route) -> Site:
    return build(settings(*of))
