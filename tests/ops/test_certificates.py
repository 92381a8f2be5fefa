"""Certificates that change on disk, on real files; time goes by on virtual clocks."""

from __future__ import annotations

import logging
import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.pki import Authority, Pair, client_context, days, pair_of, shake_hands
from wsgate.disk.threads import in_thread
from wsgate.net.tls.x509 import read_pem
from wsgate.ops import certificates as module
from wsgate.ops.certificates import INTERVAL, CertificateWatch
from wsgate.settings.model import (
    BackendTls,
    Certificate,
    Files,
    Listener,
    Relay,
    RelayBackend,
    Route,
    Settings,
    Target,
    TcpAddress,
    Tls,
    Tunnel,
    WebSocketUrl,
)
from wsgate.site.build import build

BIND = TcpAddress("127.0.0.1", 443)
FILES = Route(name="files", action=Files(root="/"))
DAY = 86400.0


def listener(*pairs: Pair, port: int = 443, **more: Any) -> Listener:
    own = tuple(Certificate(certificate=pair.certificate, key=pair.key) for pair in pairs)
    return Listener(bind=TcpAddress("127.0.0.1", port), tls=Tls(certificates=own, **more))


def relay(name: str = "relay", *, secure: bool = True, **tls: Any) -> Route:
    return Route(
        name=name, action=Relay(to=(RelayBackend(url=WebSocketUrl(BIND, None, secure)),), tls=BackendTls(**tls))
    )


def tunnel(name: str = "tunnel", *, secure: bool = True, **tls: Any) -> Route:
    return Route(name=name, action=Tunnel(to=(Target(BIND, secure),), tls=BackendTls(**tls)))


class Running:
    """A site with these listeners and routes, as far as certificates are concerned."""

    def __init__(self, *of: Listener | Route, now: Callable[[], float] | None = None) -> None:
        self.certificates = CertificateWatch(now) if now else CertificateWatch()
        self.site = build(settings(*of))
        self.certificates.use_site(self.site)

    def adopt(self, settings: Settings) -> None:
        """As a reload does."""
        self.site = build(settings, self.site)
        self.certificates.use_site(self.site)

    def context(self, place: int = 0) -> ssl.SSLContext:
        """What the next client of a listener meets."""
        context = self.site.listeners[place].context
        assert context is not None
        return context

    @property
    def backends(self) -> dict[str, ssl.SSLContext]:
        """What the backends of routes meet."""
        return {route.name: route.tls.context for route in self.site.routes if route.tls is not None}

    def shown(self, place: int = 0) -> str:
        """The name in the certificate that the next client is shown."""
        context = self.context(place)
        client = client_context(check_hostname=False, verify_mode=ssl.CERT_NONE)
        ours, theirs = pair_of(client, context, None)
        shake_hands(ours, theirs)
        der = ours.getpeercert(binary_form=True)
        assert der is not None
        return read_pem(ssl.DER_cert_to_PEM_cert(der).encode())[0].host_names[0]


def settings(*of: Listener | Route) -> Settings:
    listeners = tuple(one for one in of if isinstance(one, Listener))
    return Settings(listeners=listeners, routes=tuple(one for one in of if isinstance(one, Route)))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """``log()``: what has been logged since the last time, each event with its fields."""
    caplog.set_level(logging.INFO, "wsgate")

    def take() -> list[tuple[str, dict[str, Any]]]:
        taken = [(record.event, record.fields) for record in caplog.records]  # type: ignore[attr-defined]
        caplog.clear()
        return taken

    return take


Log = Callable[[], list[tuple[str, dict[str, Any]]]]


# -- loading -----------------------------------------------------------------------------------------------------------


async def test_every_listener_and_route_gets_what_it_needs(authority: Authority) -> None:
    one, two = authority.issue("one.test", to="one"), authority.issue("two.test", to="two")
    running = Running(
        listener(one, port=1),
        listener(two, port=2),
        listener(one, port=3),
        Listener(bind=TcpAddress("127.0.0.1", 4)),
        relay("secure", ca=authority.file),
        relay("plain", secure=False),
        tunnel("tunnel", verify=False),
        FILES,
    )
    contexts = [listener.context for listener in running.site.listeners]
    assert [running.shown(place) for place in (0, 1)] == ["one.test", "two.test"]
    assert contexts[0] is contexts[2]  # the same settings: a session of one can be resumed on the other
    assert contexts[3] is None
    backends = running.backends
    assert list(backends) == ["secure", "tunnel"]
    assert backends["secure"].verify_mode is ssl.CERT_REQUIRED
    assert backends["tunnel"].verify_mode is ssl.CERT_NONE


# -- change ------------------------------------------------------------------------------------------------------------


async def test_nothing_has_changed(authority: Authority, log: Log) -> None:
    running = Running(listener(authority.issue("one.test")), relay(ca=authority.file), tunnel())
    contexts = [running.context(), *running.backends.values()]
    for _ in range(2):
        await running.certificates.look()
    assert [running.context(), *running.backends.values()] == contexts
    assert log() == []


async def test_a_renewal(authority: Authority, log: Log) -> None:
    """New handshakes get it; sessions, and handshakes with the old one, notice nothing."""
    running = Running(
        listener(authority.issue("old.test")), listener(authority.issue("other.test", to="other"), port=2)
    )
    old = running.context()
    assert old is not None
    ours, theirs = pair_of(client_context(authority), old, "old.test")
    others = running.context(1)
    pair = authority.issue("new.test", not_after=days(90))
    await running.certificates.look()
    assert running.shown() == "new.test"
    shake_hands(ours, theirs)
    assert running.context(1) is others
    ((event, fields),) = log()
    assert (event, fields["listeners"], fields["files"]) == (
        "certificate loaded",
        ["127.0.0.1:443"],
        [pair.certificate],
    )
    assert [expiry[:10] for expiry in fields["expires"]] == [f"{days(90):%Y-%m-%d}"]


async def test_a_file_that_is_only_touched(authority: Authority, log: Log) -> None:
    pair = authority.issue("one.test")
    running = Running(listener(pair))
    os.utime(pair.certificate, (1, 1))
    await running.certificates.look()
    assert running.shown() == "one.test"
    assert log() == []


async def test_a_kubernetes_secret(authority: Authority, tmp_path: Path, log: Log) -> None:
    """Its files are symbolic links into ..data, which is one into a directory that is another one after a change."""
    mount = tmp_path / "tls"
    mount.mkdir()

    def put(name: str, version: str) -> None:
        directory = mount / f"..{version}"
        directory.mkdir()
        issued = authority.issue(name, to="made")
        Path(issued.certificate).rename(directory / "tls.crt")
        Path(issued.key).rename(directory / "tls.key")
        (mount / "..data_tmp").symlink_to(directory.name)
        (mount / "..data_tmp").rename(mount / "..data")

    put("old.test", "2026_01")
    for file in ("tls.crt", "tls.key"):
        (mount / file).symlink_to(f"..data/{file}")
    running = Running(listener(Pair(str(mount / "tls.crt"), str(mount / "tls.key"))))
    assert running.shown() == "old.test"
    put("new.test", "2026_02")
    await running.certificates.look()
    assert running.shown() == "new.test"
    assert [event for event, _ in log()] == ["certificate loaded"]


async def test_a_certificate_that_is_written_before_its_key(authority: Authority, log: Log) -> None:
    """A look in between finds two that do not match: no fault, for now."""
    pair = authority.issue("old.test")
    running = Running(listener(pair))
    new = authority.issue("new.test", to="new")
    os.replace(new.certificate, pair.certificate)
    await running.certificates.look()
    assert running.shown() == "old.test"
    os.replace(new.key, pair.key)
    await running.certificates.look()
    assert running.shown() == "new.test"
    assert [event for event, _ in log()] == ["certificate loaded"]


async def test_a_broken_pair(authority: Authority, log: Log) -> None:
    pair = authority.issue("old.test")
    running = Running(listener(pair))
    new = authority.issue("new.test", to="new")
    os.replace(new.certificate, pair.certificate)
    for _ in range(5):
        await running.certificates.look()
        assert running.shown() == "old.test"
    ((event, fields),) = log()  # once, however long it lasts
    assert (event, fields["listeners"]) == ("certificate not loaded", ["127.0.0.1:443"])
    assert f"'{pair.key}' does not belong" in fields["error"]
    assert fields["consequence"] == "what was loaded before stays in use"
    os.unlink(pair.certificate)
    for _ in range(3):
        await running.certificates.look()
    ((event, fields),) = log()  # another fault is another line
    assert "does not exist" in fields["error"]
    os.replace(new.key, pair.key)
    authority.issue("new.test")
    await running.certificates.look()
    assert running.shown() == "new.test"
    assert [event for event, _ in log()] == ["certificate loaded"]


async def test_a_fault_that_is_over_is_said_to_be(
    authority: Authority, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if the files are the old ones again, and at a log level that shows only faults."""
    pair = authority.issue("one.test")
    running = Running(listener(pair))
    os.rename(pair.key, pair.key + ".away")
    for _ in range(2):
        await running.certificates.look()
    os.rename(pair.key + ".away", pair.key)
    await running.certificates.look()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert [event for event, _ in log()] == ["certificate not loaded", "certificate loaded"]


async def test_an_expired_certificate_is_no_renewal(authority: Authority, log: Log) -> None:
    running = Running(listener(authority.issue("old.test")))
    authority.issue("new.test", not_before=days(-3), not_after=days(-1))
    for _ in range(2):
        await running.certificates.look()
    assert running.shown() == "old.test"
    ((event, fields),) = log()
    assert event == "certificate not loaded"
    assert "expired on" in fields["error"]


async def test_what_routes_use_changes_too(authority: Authority, tmp_path: Path, log: Log) -> None:
    """The certificate that is shown to backends, and the CA that signs theirs."""
    own = authority.issue("gateway", to="client")
    tls: Any = {"ca": authority.file, "certificate": own.certificate, "key": own.key}
    running = Running(relay("one", **tls), relay("two", **tls), tunnel("other", ca=authority.file))
    before = running.backends
    assert before["one"] is before["two"]
    authority.issue("gateway", to="client", not_after=days(100))
    await running.certificates.look()
    now = running.backends
    assert now["one"] is now["two"] is not before["one"]
    assert now["other"] is before["other"]
    ((event, fields),) = log()
    assert (event, fields["routes"], fields["files"]) == ("certificate loaded", ["one", "two"], [own.certificate])
    other = Authority(tmp_path, "other-ca")
    os.replace(other.file, authority.file)
    await running.certificates.look()
    assert running.backends["other"].get_ca_certs() == other_context(other).get_ca_certs(False)


def other_context(other: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=other.ca.cert_pem.bytes().decode())
    return context


# -- beside a reload of the settings -----------------------------------------------------------------------------------


async def test_a_reload(authority: Authority, log: Log) -> None:
    one, two = authority.issue("one.test", to="one"), authority.issue("two.test", to="two")
    running = Running(listener(one), relay(ca=authority.file))
    authority.issue("one.test", to="one", not_after=days(50))
    running.adopt(settings(listener(one), listener(two, port=2)))
    assert [event for event, _ in log()] == ["certificate loaded"]
    assert running.backends == {}
    authority.issue("three.test", to="two")
    await running.certificates.look()
    assert (running.shown(0), running.shown(1)) == ("one.test", "three.test")
    running.adopt(settings(listener(two, port=2)))
    os.unlink(one.certificate)  # no listener uses it any more
    log()
    for _ in range(2):
        await running.certificates.look()
    assert log() == []


async def test_a_reload_while_the_files_are_read(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its contexts are the newer ones."""
    running = Running(listener(authority.issue("one.test")))
    authority.issue("two.test")
    look = in_thread

    async def look_and_reload(*arguments: Any) -> object:
        result = await look(*arguments)
        assert result is not None
        authority.issue("three.test")
        running.adopt(running.site.settings)
        return result

    monkeypatch.setattr(module, "in_thread", look_and_reload)
    await running.certificates.look()
    assert running.shown() == "three.test"


async def test_a_disk_that_hangs_keeps_nobody_from_anothers_certificates(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    """It is logged once that it hangs; later its certificate is loaded."""
    (tmp_path / "hung").mkdir()
    other = Authority(tmp_path / "hung")
    running = Running(listener(other.issue("hung.test")), listener(authority.issue("one.test"), port=2))
    disk = threading.Event()
    stat = os.stat

    def hang(file: Any, **options: Any) -> os.stat_result:
        if str(file).startswith(str(tmp_path / "hung")) and threading.current_thread() is not threading.main_thread():
            disk.wait(20)
        return stat(file, **options)

    monkeypatch.setattr("os.stat", hang)
    monkeypatch.setattr(module, "DISK_TIME", 1.0)  # it is waited for once
    other.issue("well.test")
    for name in ("two.test", "three.test", "four.test"):
        authority.issue(name)
        await running.certificates.look()
        assert running.shown(1) == name
    faults = [fields for event, fields in log() if event == "certificate not loaded"]
    assert [fault["error"] for fault in faults] == [f"the disk of {tmp_path}/hung did not answer within 1 s"]
    assert faults[0]["listeners"] == ["127.0.0.1:443"]
    disk.set()
    with trio.fail_after(10):
        while running.shown() != "well.test":
            await running.certificates.look()


async def test_routes_that_are_not_verified_are_named(log: Log) -> None:
    running = Running(relay("safe"), relay("bold", verify=False), relay("plain", secure=False, verify=False))
    ((event, fields),) = log()
    assert (event, fields["route"]) == ("backends not verified", "bold")
    running.adopt(running.site.settings)
    assert log() == []
    running.adopt(settings(relay("safe", verify=False), relay("bold", verify=False)))
    assert [fields["route"] for _, fields in log()] == ["safe"]


# -- time --------------------------------------------------------------------------------------------------------------


def end_of(pair: Pair) -> float:
    return read_pem(Path(pair.certificate).read_bytes())[0].not_after


async def test_expiry_is_a_number(authority: Authority) -> None:
    one, two = authority.issue("one.test", to="one"), authority.issue("two.test", to="two")
    own = authority.issue("gateway", to="client")
    running = Running(listener(one, two), relay(certificate=own.certificate, key=own.key))
    end = {pair.certificate: end_of(pair) for pair in (one, two, own)}
    assert running.certificates.expires_in(0.0) == end
    assert running.certificates.expires_in(1e12)[one.certificate] == end[one.certificate] - 1e12 < 0


async def test_it_warns_from_14_days_before_once_a_day(
    authority: Authority, log: Log, no_threads: None, autojump_clock: trio.testing.MockClock
) -> None:
    pair = authority.issue("one.test", not_after=days(30))
    end = end_of(pair)
    running = Running(listener(pair), now=lambda: end - 15.5 * DAY + trio.current_time() - began)
    began = trio.current_time()

    async def pass_days(number: float) -> list[tuple[str, float]]:
        for _ in range(round(number * 24)):
            await running.certificates.look()
            autojump_clock.jump(DAY / 24)
        return [(event, fields["days"]) for event, fields in log()]

    assert await pass_days(1.5) == []
    assert await pass_days(3) == [("certificate expires", float(left)) for left in (14, 13, 12)]
    assert (await pass_days(11))[-1] == ("certificate expires", 1.0)
    assert await pass_days(1) == [("certificate expired", 0.0)]
    authority.issue("one.test", not_after=days(90))
    await running.certificates.look()
    assert [event for event, _ in log()] == ["certificate loaded"]
    assert await pass_days(2) == []


async def test_an_expired_certificate_is_served_until_it_is_renewed(
    authority: Authority, log: Log, no_threads: None, autojump_clock: trio.testing.MockClock
) -> None:
    """And everything else with it. It is an error in the log, once a day."""
    old = authority.issue("one.test", to="own", not_before=days(-30), not_after=days(-3))
    other = authority.issue("other.test", to="other")
    running = Running(listener(old), listener(other, port=444))
    assert running.shown() == "one.test"
    for _ in range(3):
        for _ in range(24):
            await running.certificates.look()
            autojump_clock.jump(DAY / 24)
    lines = log()
    assert [(event, fields["file"]) for event, fields in lines] == [("certificate expired", old.certificate)] * 3
    assert "renew it" in lines[0][1]["cure"]
    authority.issue("renewed.test", to="own")
    await running.certificates.look()
    assert running.shown() == "renewed.test"
    assert [event for event, _ in log()] == ["certificate loaded"]


async def test_one_that_is_not_valid_yet(authority: Authority, log: Log) -> None:
    pair = authority.issue("one.test", not_before=days(2), not_after=days(30))
    running = Running(listener(pair))
    await running.certificates.look()
    ((event, fields),) = log()
    assert (event, fields["file"]) == ("certificate not valid yet", pair.certificate)
    assert "clock" in fields["cure"]


async def test_a_ca_that_has_expired(authority: Authority, log: Log) -> None:
    """No certificate that it has signed is good any more."""
    own, ca = authority.issue("one.test"), authority.issue("ca", to="ca", not_before=days(-30), not_after=days(-3))
    await Running(listener(own, client_ca=ca.certificate), relay(ca=ca.certificate)).certificates.look()
    assert [(event, fields["file"]) for event, fields in log()] == [("certificate expired", ca.certificate)]


async def test_what_a_warning_says(authority: Authority, log: Log) -> None:
    pair = authority.issue("one.test", not_after=days(2.5))
    await Running(listener(pair)).certificates.look()
    ((event, fields),) = log()
    assert (event, fields["file"], fields["days"]) == ("certificate expires", pair.certificate, 2.5)
    assert fields["at"].startswith(f"{days(2.5):%Y-%m-%dT%H}")


async def test_it_looks_every_few_seconds(
    authority: Authority, no_threads: None, autojump_clock: trio.testing.MockClock
) -> None:
    running = Running(listener(authority.issue("old.test")))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running.certificates.watch)
        await trio.testing.wait_all_tasks_blocked()
        for name in ("one.test", "two.test"):
            authority.issue(name)
            await trio.sleep(INTERVAL * 0.9)
            assert running.shown() != name
            await trio.sleep(INTERVAL * 0.1)
            await trio.testing.wait_all_tasks_blocked()
            assert running.shown() == name
        nursery.cancel_scope.cancel()
