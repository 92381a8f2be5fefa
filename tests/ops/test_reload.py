"""A reload inside this process: what changes, what stays, and what is logged. ``e2e`` does it under load."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.pki import Authority, client_context
from wsgate.events.metrics import RELOAD_REFUSED, RELOADS_REFUSED
from wsgate.ops import reload
from wsgate.ops.checking import MOST_HUNG
from wsgate.ops.lifecycle import Stage
from wsgate.settings.model import (
    Defaults,
    Drain,
    Files,
    Limits,
    Listener,
    Log,
    LogFormat,
    LogLevel,
    Network,
    OnReload,
    Route,
    TcpAddress,
    Timeouts,
    Tls,
    UnixAddress,
)
from wsgate.settings.problem import ConfigError, Problem

from .running import ANYWHERE, Running, Start, close_to_client, send

LISTENER = Listener(bind=ANYWHERE)
OTHER = Listener(bind=TcpAddress("127.0.0.2", 0))
DRAINS = {"on_reload": OnReload.DRAIN}
SITE = Route(name="site", action=Files(root="/"))


def refused_reloads(running: Running) -> tuple[int, int]:
    """How many there were, and whether the last was one."""
    values = {metric: value for metric, _, (value, *_) in running.gateway.metrics.row.read()}
    return values[RELOADS_REFUSED], values[RELOAD_REFUSED]


class Lines:
    """The log's lines since the last look."""

    def __init__(self, captured: pytest.LogCaptureFixture) -> None:
        self._captured = captured
        self._seen = 0

    def new(self) -> list[tuple[str, dict[str, Any]]]:
        records = self._captured.records
        new, self._seen = records[self._seen :], len(records)
        new = [record for record in new if getattr(record, "event", "") != "opened"]  # sessions
        return [(getattr(record, "event", ""), shown(getattr(record, "fields", {}))) for record in new]

    def changes(self) -> list[tuple[str, dict[str, Any]]]:
        """All but the last, which counts them."""
        *changes, last = self.new()
        assert last == ("reloaded", {"changes": len(changes)})
        return changes


def shown(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    caplog.set_level(logging.INFO, "wsgate")
    root, logger = logging.getLogger(), logging.getLogger("wsgate")
    handlers, level = root.handlers, logger.level
    yield Lines(caplog)
    root.handlers = handlers
    logger.setLevel(level)


async def is_alive(session: trio.SocketStream) -> bool:
    """Whether a session goes on: nothing has been sent to it, and its Ping is answered."""
    await session.send_all(bytes([0x89, 0x80]) + b"abcd")
    return await session.receive_some() == bytes([0x8A, 0])


async def test_nothing_has_changed(start: Start, lines: Lines) -> None:
    running = await start(route=DRAINS)
    session = await running.open()
    routes = running.gateway.settings.routes
    running.write(routes=tuple(replace(route) for route in routes))
    lines.new()
    await running.reload()
    assert lines.changes() == []
    assert running.gateway.settings.routes[0] is routes[0]
    assert await is_alive(session)
    await running.open()


async def test_a_wrong_file_changes_nothing(start: Start, lines: Lines) -> None:
    running = await start()
    session = await running.open()
    before = running.gateway.settings
    problems = (Problem("w.yaml", 3, 7, "drain", "no"), Problem("w.yaml", 9, 1, "", "wrong"))
    running.written = ConfigError(problems)
    lines.new()
    await running.reload()
    assert lines.new() == [
        ("wrong configuration", {"problem": "w.yaml:3:7: drain: no"}),
        ("wrong configuration", {"problem": "w.yaml:9:1: wrong"}),
        ("reload refused", {"reason": "the file is wrong: everything stays as it was", "errors": 2}),
    ]
    assert running.gateway.settings is before
    assert await is_alive(session)
    await running.open()
    assert refused_reloads(running) == (1, 1)
    running.written = before
    await running.reload()
    assert refused_reloads(running) == (1, 0)


async def test_a_bug_of_ours_while_loading_ends_nothing(start: Start, lines: Lines) -> None:
    running = await start()
    session = await running.open()
    running.written = RuntimeError("bug")
    lines.new()
    await running.reload()
    assert [event for event, _ in lines.new()] == ["bug"]
    assert await is_alive(session)


async def test_a_certificate_that_went_wrong_between(start: Start, lines: Lines, tmp_path: Path) -> None:
    running = await start()
    before = running.gateway.settings
    running.write(listeners=(LISTENER, Listener(bind=OTHER.bind, tls=Tls(certificate=f"{tmp_path}/gone.pem"))))
    lines.new()
    await running.reload()
    (event, fields), (last, _) = lines.new()
    assert (event, last) == ("wrong configuration", "reload refused")
    assert "gone.pem" in fields["problem"]
    assert running.gateway.settings is before


# -- listeners ---------------------------------------------------------------------------------------------------------


async def test_a_listener_more_and_a_listener_less(start: Start, lines: Lines) -> None:
    running = await start()
    session = await running.open()
    (socket_before,) = running.sockets
    running.write(listeners=(OTHER, LISTENER))
    lines.new()
    await running.reload()
    ((event, fields),) = lines.changes()
    assert event == "listener added"
    host, _, port = fields["address"].rpartition(":")
    assert host == OTHER.bind.host  # type: ignore[union-attr]
    added = TcpAddress(host, int(port))
    second = await running.open(address=added)
    assert await is_alive(await running.open())

    running.write(listeners=(OTHER,))
    await running.reload()
    removed = f"127.0.0.1:{running.reach()[1]}"
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert lines.new() == [("reloaded", {"changes": 1}), ("listener removed", {"address": removed})]
    assert await is_alive(session)
    assert await is_alive(second)
    await running.open(address=added)
    assert socket_before.fileno() == -1
    with pytest.raises(OSError, match="connect"):
        await running.connect()


async def test_a_listener_that_stays_keeps_its_socket(start: Start, lines: Lines) -> None:
    running = await start()
    session = await running.open()
    (sock,) = running.sockets
    before = running.gateway.settings
    running.write(listeners=(replace(LISTENER, backlog=7),))
    lines.new()
    await running.reload()
    address = f"127.0.0.1:{running.reach()[1]}"
    assert lines.changes() == [("listener changed", {"address": address, "changed": "backlog"})]
    assert sock.fileno() >= 0
    assert running.gateway.settings is not before
    assert await is_alive(session)
    assert await is_alive(await running.open())


async def test_a_unix_sockets_mode(start: Start, lines: Lines, tmp_path: Path) -> None:
    listener = Listener(bind=UnixAddress(f"{tmp_path}/s"), mode=0o600)
    running = await start(listeners=(LISTENER, listener))
    running.write(listeners=(LISTENER, replace(listener, mode=0o666)))
    lines.new()
    await running.reload()
    assert lines.changes() == [("listener changed", {"address": f"unix:{tmp_path}/s", "changed": "mode"})]
    assert stat.S_IMODE(os.stat(f"{tmp_path}/s").st_mode) == 0o666

    os.unlink(f"{tmp_path}/s")
    running.write(listeners=(LISTENER, listener))
    await running.reload()
    assert [event for event, _ in lines.new()] == ["listener changed", "listener not adjusted", "reloaded"]


async def test_one_listener_that_cannot_be_opened(start: Start, lines: Lines) -> None:
    """Then no listener is opened, and nothing else changes."""
    running = await start()
    before = running.gateway.settings
    with socket.create_server(("127.0.0.3", 0)) as other:
        taken = TcpAddress("127.0.0.3", other.getsockname()[1])
        running.write(listeners=(OTHER, Listener(bind=taken)), routes=(SITE,))
        lines.new()
        await running.reload()
    ((event, fields),) = lines.new()
    assert event == "reload refused"
    assert fields.keys() == {"reason"}
    assert fields["reason"].startswith(f"cannot listen on {taken}: the address is in use")
    assert running.gateway.settings is before
    await running.open()


async def test_an_address_that_overlaps_one_of_our_own(start: Start, lines: Lines) -> None:
    running = await start()
    _, port = running.reach()
    running.write(listeners=(Listener(bind=TcpAddress("0.0.0.0", port)),))
    lines.new()
    await running.reload()
    ((event, fields),) = lines.new()
    assert event == "reload refused"
    assert f"cannot listen on 0.0.0.0:{port}" in fields["reason"]
    assert f"still listens on 127.0.0.1:{port}" in fields["hint"]
    await running.open()


async def test_certificates_are_read_anew(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("first.test")
    tls = Tls(certificate=pair.certificate, key=pair.key)
    running = await start(listeners=(Listener(bind=ANYWHERE, tls=tls),))
    for name in ("second.test", "third.test"):
        authority.issue(name)
        await running.reload()
        stream = trio.SSLStream(await running.connect(), client_context(authority), server_hostname=name)
        await stream.do_handshake()  # fails where the certificate is for another name


# -- routes ------------------------------------------------------------------------------------------------------------


async def test_a_route_that_did_not_change(start: Start, lines: Lines) -> None:
    running = await start(route=DRAINS)
    session = await running.open()
    routes = running.gateway.settings.routes
    more = running.route("more")
    running.write(routes=(*routes, more, SITE))
    lines.new()
    await running.reload()
    assert lines.changes() == [("route added", {"route": "more"}), ("route added", {"route": "site"})]
    await running.open("more")

    running.write(routes=(more, *routes))
    await running.reload()
    assert lines.changes() == [
        ("route removed", {"route": "site", "kept": 0}),
        ("routes reordered", {"routes": "more, t"}),
    ]
    assert await is_alive(session)


@pytest.mark.parametrize("removed", [False, True])
async def test_a_route_that_changed_keeps_its_sessions(start: Start, lines: Lines, removed: bool) -> None:
    running = await start()
    session = await running.open()
    changed = running.route("t", timeouts=Timeouts(idle=60, close=1))
    running.write(routes=(SITE,) if removed else (changed,))
    lines.new()
    await running.reload()
    line = lines.changes()[0]
    if removed:
        assert line == ("route removed", {"route": "t", "kept": 1})
    else:
        assert line == ("route changed", {"route": "t", "changed": "timeouts.idle, timeouts.close", "kept": 1})
        await running.open()
    assert await is_alive(session)


@pytest.mark.parametrize("removed", [False, True])
async def test_a_route_that_changed_drains_its_sessions(start: Start, lines: Lines, removed: bool) -> None:
    """And only its own, with the code and the spread of the new settings."""
    running = await start(route=DRAINS)
    other = running.route("other", on_reload=OnReload.DRAIN)
    running.write(routes=(*running.gateway.settings.routes, other))
    await running.reload()
    drained = [await running.open() for _ in range(3)]
    bystander = await running.open("other")
    changed = running.route("t", timeouts=Timeouts(idle=60))
    running.write(routes=(other,) if removed else (changed, other), drain=Drain(code=1012, spread=0))
    lines.new()
    await running.reload()
    assert [fields for event, fields in lines.changes() if event.startswith("route ")] == [
        {"route": "t", "drained": 3, **({} if removed else {"changed": "on_reload, timeouts.idle"})}
    ]
    for session in drained:
        assert await session.receive_some() == close_to_client(1012)
    assert await is_alive(bystander)
    if not removed:
        assert await is_alive(await running.open())


async def test_on_reload_itself_is_nothing_that_a_session_is_made_of(start: Start, lines: Lines) -> None:
    running = await start()
    session = await running.open()
    for on_reload in (OnReload.DRAIN, OnReload.KEEP, OnReload.DRAIN):
        running.write(routes=(running.route("t", on_reload=on_reload),))
        lines.new()
        await running.reload()
        assert lines.changes() == [("route changed", {"route": "t", "changed": "on_reload", "kept": 1})]
        assert await is_alive(session)
    running.write(routes=(SITE,))  # the present configuration counts, also for older sessions
    await running.reload()
    assert await session.receive_some() == close_to_client(1001)


async def test_sessions_that_were_kept_once_are_left_alone(start: Start, lines: Lines) -> None:
    running = await start()
    session = await running.open()
    for idle in (60, 61):
        running.write(routes=(running.route("t", on_reload=OnReload.DRAIN, timeouts=Timeouts(idle=idle)),))
        await running.reload()
    assert lines.new()[-2] == (
        "route changed",
        {"route": "t", "changed": "timeouts.idle", "drained": 0},
    )
    assert await is_alive(session)


async def test_a_drain_of_a_route_ends_where_the_drain_of_all_begins(start: Start, lines: Lines) -> None:
    """The process does not wait for it twice."""
    running = await start(route=DRAINS, drain=Drain(spread=600))
    for _ in range(2):
        await running.open()
    running.write(routes=(SITE,), drain=Drain(spread=0))
    await running.reload()
    send(signal.SIGTERM)
    for stream in running.streams:
        assert await stream.receive_some() == close_to_client(1001)
        await stream.aclose()
    for _ in running.streams:
        running.service.accept()[0].close()
    with trio.fail_after(10):
        await running.stopped.wait()
    assert running.status == 0


# -- everything else ---------------------------------------------------------------------------------------------------


async def test_other_settings(start: Start, lines: Lines) -> None:
    running = await start()
    network = Network(ipaddress.ip_network("10.0.0.0/8"))
    running.write(
        drain=Drain(code=3000, grace=1),
        limits=Limits(sessions=7),
        trusted_proxies=(network,),
        defaults=Defaults(timeouts=Timeouts(handshake=2)),
    )
    lines.new()
    await running.reload()
    assert lines.changes() == [
        ("setting changed", {"setting": "defaults.timeouts.handshake", "before": "10", "now": "2"}),
        ("setting changed", {"setting": "trusted_proxies", "before": "[]", "now": "[10.0.0.0/8]"}),
        ("setting changed", {"setting": "limits.sessions", "before": "10000", "now": "7"}),
        ("setting changed", {"setting": "drain.grace", "before": "10", "now": "1"}),
        ("setting changed", {"setting": "drain.code", "before": "1001", "now": "3000"}),
    ]
    assert running.gateway.settings == running.written


async def test_settings_from_the_environment_are_not_shown(start: Start, lines: Lines) -> None:
    running = await start()
    running.write(drain=Drain(grace=1), from_environment={"drain.grace": "${GRACE}"})
    lines.new()
    await running.reload()
    assert lines.changes() == [
        ("setting changed", {"setting": "drain.grace", "before": "10", "now": "${GRACE}"}),
    ]
    running.write(drain=Drain(grace=2), from_environment={})
    lines.new()
    await running.reload()
    assert lines.changes() == [
        ("setting changed", {"setting": "drain.grace", "before": "${GRACE}", "now": "2"}),
    ]


async def test_the_log(start: Start, lines: Lines, capfd: pytest.CaptureFixture[str]) -> None:
    running = await start()
    running.write(log=Log(level=LogLevel.DEBUG, format=LogFormat.TEXT))
    await running.reload()
    await running.open()
    _, written = capfd.readouterr()
    assert "setting changed: setting=log.format before=json now=text" in written
    assert " info    opened: t: 127.0.0.1:" in written


async def test_the_number_of_processes_stays(start: Start, lines: Lines) -> None:
    """It is logged at every reload while the configuration has another number."""
    running = await start()
    running.write(workers=4)
    for _ in range(2):
        lines.new()
        await running.reload()
        (event, fields), reloaded = lines.new()
        assert (event, fields["setting"], fields["before"], fields["now"]) == ("restart needed", "workers", "1", "4")
        assert reloaded == ("reloaded", {"changes": 0})
    assert running.gateway.settings.workers == 1


# -- one after the other -----------------------------------------------------------------------------------------------


async def test_none_is_lost_and_none_are_mixed(start: Start, lines: Lines) -> None:
    """For any number of signals during a reload one more follows, which reads the present file."""
    running = await start()
    running.write(routes=(SITE,))
    running.reading.shut()
    send(signal.SIGHUP)
    await running.reading.arrival()
    running.write(routes=(running.route("last"),))
    for _ in range(3):
        send(signal.SIGHUP)
        await trio.testing.wait_all_tasks_blocked(0.01)
    assert running.stages[1:] == [Stage.RELOADING]
    running.reading.open()
    await running.reached(Stage.READY, Stage.RELOADING, Stage.READY, Stage.RELOADING, Stage.READY)
    assert running.loads == 2
    assert [route.name for route in running.gateway.settings.routes] == ["last"]
    await running.open("last")


async def test_the_signal_to_stop_does_not_wait_for_a_file(start: Start, lines: Lines) -> None:
    """The disk of the file may hang."""
    running = await start()
    before = running.gateway.settings
    running.write(routes=(SITE,))
    running.reading.shut()
    send(signal.SIGHUP)
    await running.reading.arrival()
    send(signal.SIGTERM)
    with trio.fail_after(10):
        await running.stopped.wait()
    assert running.status == 0
    assert running.stages == [Stage.READY, Stage.RELOADING, Stage.STOPPING]
    assert running.gateway.settings is before
    assert ("reload ignored", {"reason": "the gateway is stopping"}) in lines.new()


async def test_listeners_that_nobody_needs_any_more(start: Start, lines: Lines) -> None:
    """They were opened when the signal to stop came."""
    running = await start(drain=Drain(delay=600))
    before = running.gateway.settings
    running.write(listeners=(LISTENER, OTHER))
    running.opening.shut()
    send(signal.SIGHUP)
    await running.opening.arrival()
    send(signal.SIGTERM)
    await running.reached(Stage.READY, Stage.RELOADING, Stage.STOPPING)
    running.opening.open()
    await running.open()  # as before
    with trio.fail_after(10):
        while running.opened[0].fileno() >= 0:
            await trio.lowlevel.checkpoint()
    assert running.gateway.settings is before
    send(signal.SIGTERM)
    await running.stopped.wait()
    assert running.stages == [Stage.READY, Stage.RELOADING, Stage.STOPPING]


# -- what hangs --------------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a thread that really hangs there is only real time."""
    monkeypatch.setattr(reload, "SLOW", 0.02)
    monkeypatch.setattr(reload, "DEADLINE", 0.1)


async def test_a_file_that_hangs_is_refused_in_time(
    start: Start, lines: Lines, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it does not keep the next reload, when the disk is well again."""
    running = await start()
    lines.new()
    running.reading.shut()
    await running.reload()
    (waits, _), (refused, why) = lines.new()
    assert (waits, refused) == ("reload waits", "reload refused")
    assert "a plugin's import" in why["reason"]
    monkeypatch.undo()
    running.reading.open()
    running.write(routes=(running.route("last"),))
    await running.reload()
    await running.open("last")


async def test_who_asks_again_is_not_behind_what_hangs(
    start: Start, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "SLOW", 0.02)
    running = await start()
    lines.new()
    running.reading.shut()
    send(signal.SIGHUP)
    await running.reading.arrival()
    await said(lines, "reload waits")
    monkeypatch.undo()
    running.reading.open_for_the_next()
    running.write(routes=(running.route("last"),))
    send(signal.SIGHUP)
    await running.reached(Stage.READY, *[Stage.RELOADING, Stage.READY] * 2)
    assert lines.new()[0] == ("reload refused", {"reason": f"{reload._ASKED_AGAIN}; everything stays as it was"})
    await running.open("last")


async def test_reloads_that_hang_are_not_piled_up(start: Start, lines: Lines, impatient: None) -> None:
    running = await start()
    running.reading.shut()
    for _ in range(MOST_HUNG):
        await running.reload()
    assert running.loads == MOST_HUNG
    await running.reload()
    assert running.loads == MOST_HUNG
    assert "earlier reloads still hang" in lines.new()[-1][1]["reason"]
    running.reading.open()


async def test_a_listener_that_is_opened_too_late_is_closed(
    start: Start, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name was looked up for too long."""
    running = await start()
    monkeypatch.setattr(reload, "SLOW", 0.02)
    running.write(listeners=(LISTENER, OTHER))
    running.opening.shut()
    send(signal.SIGHUP)
    await running.opening.arrival()
    await said(lines, "reload waits")
    monkeypatch.undo()
    let_go = running.opening.open_for_the_next()
    send(signal.SIGHUP)
    await running.reached(Stage.READY, *[Stage.RELOADING, Stage.READY] * 2)
    late, used = running.opened
    let_go()
    with trio.fail_after(10):
        while late.fileno() >= 0:  # noqa: ASYNC110 - a thread has no event for us
            await trio.sleep(0.01)
    assert used.fileno() >= 0


async def said(lines: Lines, event: str) -> None:
    with trio.fail_after(10):
        while event not in [name for name, _ in lines.new()]:  # noqa: ASYNC110 - the log has no event for us
            await trio.sleep(0.01)
