"""A parent and its workers: real processes with a few lines of work. ``e2e`` has complete gateways."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.log import Log as Captured
from tests.ops.manager import Manager
from wsgate.gate.shared_counters import WorkerCounters
from wsgate.ops import checking, processes, worker_processes
from wsgate.ops import drain as drain_module
from wsgate.ops import workers as workers_module
from wsgate.ops.descriptors import sessions_allowed
from wsgate.ops.drain import longest_drain
from wsgate.ops.listeners import ListenError
from wsgate.ops.systemd import Notifier
from wsgate.ops.worker import Backoff
from wsgate.ops.worker_channel import Report, ToParent
from wsgate.ops.workers import Plan, Start, Workers
from wsgate.settings.model import (
    Address,
    Drain,
    Listener,
    Log,
    LogLevel,
    Route,
    Settings,
    Target,
    TcpAddress,
    Tunnel,
    UnixAddress,
)
from wsgate.settings.problem import ConfigError, Problem
from wsgate.site.site import Site

ROUTE = Route(name="t", action=Tunnel(to=(Target(UnixAddress("/nonexistent/service.sock")),)))
ANYWHERE = Listener(bind=TcpAddress("127.0.0.1", 0))
SETTINGS = Settings(listeners=(ANYWHERE,), routes=(ROUTE,), drain=Drain(delay=0, spread=0, grace=0))


def stop(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def tell_parent(number: int) -> None:
    os.kill(os.getppid(), number)


def reload(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGHUP)


@contextlib.contextmanager
def when(event: str, action: Callable[[], object]) -> Iterator[None]:
    """Does something once, when the parent logs this."""

    class Act(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.event == event and os.getpid() == parent:  # type: ignore[attr-defined]
                logging.getLogger("wsgate").removeHandler(self)
                action()

    parent = os.getpid()
    handler = Act()
    logging.getLogger("wsgate").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("wsgate").removeHandler(handler)


def obey(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
    """Serves no connection until it is told to stop."""
    return serve(parent)


def serve(
    parent: ToParent, *, on_reload: Callable[[Settings], None] = lambda settings: None, stops: int = 1, status: int = 0
) -> int:
    """Ends at the ``stops``th order to stop."""

    async def main() -> int:
        parent.report(Report.READY)
        left = stops
        async for number in parent:
            if number == signal.SIGHUP:
                parent.report(Report.BUSY)
                on_reload(parent.load())
                parent.report(Report.READY)
            elif number != signal.SIGUSR1:
                left -= 1
                if not left:
                    break
        return status

    return trio.run(main)


class Case:
    """The parent's log, and its exit status."""

    def __init__(self, log: Captured) -> None:
        self.events = log.events
        self.one = log.one

    def run(
        self,
        start: Start,
        *,
        count: int = 2,
        settings: Settings = SETTINGS,
        load: Callable[[], Settings] = lambda: SETTINGS,
        notifier: Notifier | None = None,
        ready: Callable[[list[Address]], None] = lambda bound: None,
    ) -> int:
        plan = Plan(Site(settings))
        return Workers(count, plan, start, load=load, notifier=notifier or Notifier({}), ready=ready).run()


@pytest.fixture
def case(log: Captured, caplog: pytest.LogCaptureFixture) -> Case:
    caplog.set_level(logging.INFO, "wsgate")
    return Case(log)


# -- the whole way -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_from_the_first_line_to_the_last(case: Case, number: int) -> None:
    bound: list[Address] = []

    def ready(addresses: list[Address]) -> None:
        bound.extend(addresses)
        os.kill(os.getpid(), number)

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        (listener,) = parent.open_more(plan.settings.listeners)
        row.enter(None)
        row.leave()
        row.enter(None)
        with listener:
            status = serve(parent)
        row.leave()
        return status

    assert case.run(start, count=3, ready=ready) == 0
    assert case.events() == ["listening", "ready", "draining", "stopped"]
    assert case.one("listening") == {"address": str(bound[0])}
    line = case.one("ready")
    assert line["workers"] == 3
    assert line["sessions"] == min(10_000, sessions_allowed(3) or 10_000)
    assert case.one("draining")["sessions"] == 3
    assert case.one("stopped") == {"ended": 3, "cut": 0}


def test_it_is_ready_when_the_last_worker_is(case: Case, tmp_path: Path) -> None:
    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        (tmp_path / str(os.getpid())).touch()
        return serve(parent)

    def ready(bound: list[Address]) -> None:
        assert len(list(tmp_path.iterdir())) == 4
        stop()

    assert case.run(start, count=4, ready=ready) == 0


def test_sessions_that_were_cut(case: Case) -> None:
    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        row.enter(None)
        status = serve(parent, status=1)
        row.leave(cut=True)
        return status

    assert case.run(start, ready=stop) == 1
    assert case.one("stopped") == {"ended": 0, "cut": 2}


def test_the_second_signal_reaches_them_too(case: Case) -> None:
    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        return serve(parent, stops=2)

    with when("draining", lambda: os.kill(os.getpid(), signal.SIGINT)):
        assert case.run(start, ready=stop) == 0
    assert case.events() == ["listening", "ready", "draining", "cutting", "stopped"]


def test_a_worker_that_does_not_end_is_killed(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(drain_module, "MARGIN", 2.0)  # the other one ends in time

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        serve(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(tmp_path / "first")  # one of the two
            row.enter(None)
            time.sleep(60)
        return 0

    assert case.run(start, ready=stop) == 1
    assert case.events()[2:] == ["draining", "worker killed", "worker died", "stopped"]
    assert case.one("stopped") == {"ended": 0, "cut": 1}


def test_a_worker_that_crashes_while_it_drains(case: Case) -> None:
    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        serve(parent)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert case.run(start, count=1, ready=stop) == 1
    assert case.one("worker died")["signal"] == "SIGKILL"


# -- at the start ------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_starts_nobody(case: Case) -> None:
    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        tell_parent(signal.SIGKILL)
        return 0

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Listener(bind=TcpAddress(*other.getsockname()))
        with pytest.raises(ListenError, match="in use"):
            case.run(start, settings=Settings(listeners=(taken,), routes=(ROUTE,)))
    assert case.events() == []


@pytest.mark.parametrize(
    ("how", "status", "line"),
    [
        ("says", 77, "wsgate: cannot listen: it says so"),
        ("exits", 3, "wsgate: a worker ended as it began, with status 3"),
        ("dies", 1, "wsgate: a worker ended as it began, with signal SIGKILL"),
        ("crashes", 70, "wsgate: a worker ended as it began, with status 70"),
    ],
)
def test_one_that_cannot_begin_is_none(
    case: Case, capsys: pytest.CaptureFixture[str], how: str, status: int, line: str
) -> None:
    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        if not row.enter(1):  # all but one are fine
            return serve(parent, stops=2)
        if how == "says":
            parent.report(Report.FAILED, "cannot listen: it says so")
            return 77
        if how == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "crashes":
            logging.getLogger("wsgate").disabled = True  # the traceback is for the log
            raise RuntimeError
        return 3

    assert case.run(start, count=3) == status
    assert capsys.readouterr().err == f"{line}\n"
    assert case.events() == []


def test_no_process_to_be_had(case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object, **__: object) -> tuple[int, socket.socket]:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(worker_processes, "fork", refuse)
    assert case.run(obey) == os.EX_OSERR
    assert capsys.readouterr().err == "wsgate: cannot start a worker: Resource temporarily unavailable\n"


# -- replacement -------------------------------------------------------------------------------------------------------


def test_a_worker_that_dies_is_replaced(case: Case) -> None:
    """The first of both rows dies with two sessions; what comes in its place ends the test."""

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        if not row.enter(1):
            return serve(parent)
        row.enter(None)
        if row.beat:  # a mark that is left by the one before
            tell_parent(signal.SIGTERM)
            row.leave()
            row.leave()
            return serve(parent)
        row.beat = 1.0
        parent.report(Report.READY)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert case.run(start, ready=lambda bound: None) == 0
    died = case.one("worker died")
    assert (died["signal"], died["sessions"], died["replaced_in"]) == ("SIGKILL", 2, 0)
    assert case.one("draining")["sessions"] <= 2
    assert case.one("stopped")["cut"] == 0  # what it lost was before the signal


def test_a_worker_that_says_goodbye_is_replaced_too(case: Case) -> None:
    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        if row.beat:
            tell_parent(signal.SIGTERM)
            return serve(parent)
        row.beat = 1.0
        parent.report(Report.READY)
        return 0

    assert case.run(start, count=1) == 0
    assert case.one("worker died")["exit_status"] == 0


def test_a_replacement_that_cannot_begin_is_tried_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = iter([0.0, 0.01, 0.01, 0.01])
    monkeypatch.setattr(Backoff, "pause", lambda self, lived: next(pauses))
    really = processes.fork
    forks = 0

    def fork(*arguments: Any, **more: Any) -> tuple[int, socket.socket]:
        nonlocal forks
        forks += 1
        if forks == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return really(*arguments, **more)

    monkeypatch.setattr(worker_processes, "fork", fork)

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        row.beat += 1
        if row.beat == 1:
            parent.report(Report.READY)
            return 0
        if row.beat == 2:
            parent.report(Report.FAILED, "cannot listen: out of descriptors")
            return 1
        tell_parent(signal.SIGTERM)
        return serve(parent)

    assert case.run(start, count=1) == 0
    assert case.events()[2:] == ["worker died", "worker not started", "worker died", "draining", "stopped"]


def test_a_worker_that_hangs_is_replaced(case: Case, tmp_path: Path) -> None:
    with Manager(str(tmp_path / "notify")) as manager:
        notifier = manager.notifier(WATCHDOG_USEC="200000")

        def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
            if row.beat:
                tell_parent(signal.SIGTERM)
                return serve(parent)
            row.beat = time.monotonic()
            parent.report(Report.READY)
            faulthandler.disable()  # pytest's; it would write where the test's output is
            time.sleep(60)
            return 0

        assert case.run(start, count=1, notifier=notifier) == 0
        heard = manager.all_heard()
    assert case.one("worker died")["signal"] == "SIGABRT"
    assert heard[-1] == "WATCHDOG=1"  # the parent is alive to the end
    assert [line for line in heard if line != "WATCHDOG=1"] == ["READY=1", "STOPPING=1"]


# -- reload ------------------------------------------------------------------------------------------------------------


def test_a_reload_reaches_all_and_those_to_come(case: Case, tmp_path: Path) -> None:
    new = Settings(listeners=(ANYWHERE,), routes=(ROUTE,), drain=Drain(delay=0, spread=0, grace=0, code=1012))

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        def on_reload(settings: Settings) -> None:
            (tmp_path / f"{os.getpid()}-{settings.drain.code}").touch()
            if not row.enter(1):
                row.beat = 1.0
                os._exit(0)  # one of them has to be replaced

        if row.beat:
            (tmp_path / f"replaced-{plan.settings.drain.code}").touch()
            tell_parent(signal.SIGTERM)
        status = serve(parent, on_reload=on_reload)
        if row.sessions:
            row.leave()
        return status

    def ready(bound: list[Address]) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    assert case.run(start, load=lambda: new, ready=ready) == 0
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) == 3
    assert all(file.endswith("-1012") for file in files)


def test_a_reload_opens_what_is_new(case: Case, tmp_path: Path) -> None:
    path = Listener(bind=UnixAddress(str(tmp_path / "s")))
    new = Settings(listeners=(path,), routes=(ROUTE,))

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        def on_reload(settings: Settings) -> None:
            (sock,) = parent.open_more(settings.listeners)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(tmp_path / "s"))
            sock.close()
            row.enter(None)
            if not row.enter(4 - 1):
                tell_parent(signal.SIGTERM)

        return serve(parent, on_reload=on_reload)

    def ready(bound: list[Address]) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    assert case.run(start, load=lambda: new, ready=ready) == 1  # the sessions that were made up
    assert not (tmp_path / "s").exists()


def refused_file() -> Settings:
    raise ConfigError((Problem("wsgate.yaml", 3, 5, "routes", "no such thing"),))


def taken_port() -> Settings:
    return Settings(listeners=(Listener(bind=UnixAddress("/nonexistent/s")),), routes=(ROUTE,))


@pytest.mark.parametrize("load", [refused_file, taken_port])
def test_a_reload_that_is_refused_reaches_nobody(case: Case, tmp_path: Path, load: Callable[[], Settings]) -> None:
    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        return serve(parent, on_reload=lambda settings: os._exit(9))

    with Manager(str(tmp_path / "notify")) as manager:
        notifier = manager.notifier()
        with when("reload refused", stop):
            assert case.run(start, load=load, notifier=notifier, ready=reload) == 0
        assert manager.all_heard() == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert "reload refused" in case.events()
    assert "worker died" not in case.events()


def test_a_bug_of_ours_in_a_reload_ends_nobody(case: Case) -> None:
    def load() -> Settings:
        logging.getLogger("wsgate").disabled = True  # the child's traceback is for the log
        raise RuntimeError("a bug")

    with when("reload refused", stop):
        assert case.run(refuse_reload, load=load, ready=reload) == 0
    assert case.events() == ["listening", "ready", "reload refused", "draining", "stopped"]
    assert case.one("reload refused")["reason"].startswith("the process that checked the file ended with status 70")


def refuse_reload(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
    return serve(parent, on_reload=lambda settings: os._exit(9))


def hang() -> Settings:
    time.sleep(600)
    raise AssertionError


def test_a_file_that_hangs_stops_nothing(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The parent goes on: signs of life, workers that die, and the end."""
    monkeypatch.setattr(checking, "SLOW", 0.05)
    with Manager(str(tmp_path / "notify")) as manager:
        notifier = manager.notifier(WATCHDOG_USEC="60000000")

        def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
            if row.beat:  # it is a replacement: the parent has noticed the death
                parent.report(Report.READY)
                tell_parent(signal.SIGTERM)
                return serve(parent)
            row.beat = time.monotonic()
            parent.report(Report.READY)
            (tmp_path / str(os.getpid())).touch()
            time.sleep(600)
            return 0

        def die() -> None:
            (worker,) = (int(path.name) for path in tmp_path.iterdir() if path.name.isdigit())
            os.kill(worker, signal.SIGKILL)

        with when("reload waits", die):
            assert case.run(start, count=1, load=hang, notifier=notifier, ready=reload) == 0
    assert case.events()[2:] == ["reload waits", "worker died", "draining", "reload ignored", "stopped"]


def test_the_watchdog_is_fed_while_a_reload_takes_long(
    case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checking, "SLOW", 0.02)
    monkeypatch.setattr(checking, "DEADLINE", 0.2)
    with Manager(str(tmp_path / "notify")) as manager:
        notifier = manager.notifier(WATCHDOG_USEC="10000000")
        with when("reload refused", stop):
            assert case.run(refuse_reload, count=1, load=hang, notifier=notifier, ready=reload) == 0
        heard = manager.all_heard()
    during = heard[heard.index("RELOADING=1") + 1 :]
    assert during.index("READY=1") > during.index("WATCHDOG=1")


def test_a_file_that_hangs_is_refused_in_time(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SLOW", 0.05)
    monkeypatch.setattr(checking, "DEADLINE", 0.1)
    with when("reload refused", stop):
        assert case.run(refuse_reload, load=hang, ready=reload) == 0
    assert "not read within" in case.one("reload refused")["reason"]


def test_who_asks_again_is_not_behind_what_hangs(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checking, "SLOW", 0.05)
    mended = tmp_path / "mended"

    def load() -> Settings:
        return SETTINGS if mended.exists() else hang()

    def mend() -> None:
        mended.touch()
        reload()

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        return serve(parent, on_reload=lambda settings: tell_parent(signal.SIGTERM))

    with when("reload waits", mend):
        assert case.run(start, count=1, load=load, ready=reload) == 0
    events = case.events()
    assert events[2] == "reload waits"
    assert "reload refused" not in events


def test_a_name_is_looked_up_by_the_child(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name server may take its time. A name that is held already is not asked for again."""
    really, parent = socket.getaddrinfo, os.getpid()

    def look_up(host: str, *arguments: Any, **more: Any) -> Any:
        if host == "new.test":
            assert os.getpid() != parent
            (tmp_path / "asked").touch()
            host = "127.0.0.1"
        return really(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    new = replace(SETTINGS, listeners=(ANYWHERE, Listener(bind=TcpAddress("new.test", 0))))

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        def on_reload(settings: Settings) -> None:
            for sock in parent.open_more(settings.listeners[1:]):
                sock.close()
            tell_parent(signal.SIGTERM)

        return serve(parent, on_reload=on_reload)

    assert case.run(start, count=1, load=lambda: new, ready=reload) == 0
    assert (tmp_path / "asked").exists()
    assert case.events()[2:] == ["draining", "stopped"]


def test_checks_that_cannot_be_killed_are_not_piled_up(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MOST_HUNG", 0)
    with when("reload refused", stop):
        assert case.run(refuse_reload, ready=reload) == 0
    assert "cannot be killed" in case.one("reload refused")["reason"]


def test_no_process_for_a_check(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> tuple[int, socket.socket]:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(checking, "fork", refuse)
    with when("reload refused", stop):
        assert case.run(refuse_reload, ready=reload) == 0
    assert "no process to check it" in case.one("reload refused")["reason"]


def test_a_worker_that_never_begins_does_not_keep_the_end(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The import of a plugin may hang: the worker has no session, so the end does not wait for it."""
    monkeypatch.setattr(workers_module, "SLOW_START", 0.05)
    monkeypatch.setattr(workers_module, "CUT_TIME", 0.05)

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        time.sleep(600)
        return 0

    with when("worker not ready", stop):
        assert case.run(start, count=1) == 0
    assert case.events() == ["worker not ready", "draining", "stopped"]


def test_what_a_reload_cannot_change(case: Case) -> None:
    new = Settings(listeners=(ANYWHERE,), routes=(ROUTE,), workers=7, log=Log(level=LogLevel.ERROR))

    def start(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        def on_reload(settings: Settings) -> None:
            assert settings.workers == 1
            tell_parent(signal.SIGTERM)

        return serve(parent, on_reload=on_reload)

    def ready(bound: list[Address]) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    before = logging.getLogger().handlers
    try:
        assert case.run(start, load=lambda: new, ready=ready) == 0
        assert logging.getLogger("wsgate").level == logging.ERROR
    finally:
        logging.getLogger().handlers = before


def test_a_reload_while_it_stops(case: Case) -> None:
    def ready(bound: list[Address]) -> None:
        stop()
        os.kill(os.getpid(), signal.SIGHUP)

    assert case.run(obey, ready=ready) == 0
    assert "reload ignored" in case.events()


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_a_process_that_nobody_uses_ends_with_all_its_workers(case: Case) -> None:
    assert case.run(obey, settings=replace(SETTINGS, exit_when_idle=0.01)) == 0
    assert case.one("draining")["signal"] == "SIGTERM"
    assert case.events() == ["listening", "ready", "idle", "draining", "stopped"]


def test_a_session_of_a_worker_keeps_it_up(case: Case) -> None:
    """Until it is over: counted by its worker, seen by the parent."""

    def work(plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
        row.enter(None)

        async def main() -> int:
            parent.report(Report.READY)
            async for number in parent:
                if number == signal.SIGHUP:
                    row.leave()
                    parent.report(Report.BUSY)
                    parent.report(Report.READY)
                elif number != signal.SIGUSR1:
                    return 0 if not row.sessions else 1
            return 1

        return trio.run(main)

    limited = replace(SETTINGS, exit_when_idle=0.01)

    def reload(bound: list[Address]) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    assert case.run(work, count=1, settings=limited, load=lambda: limited, ready=reload) == 0
    assert case.events() == ["listening", "ready", "idle", "draining", "stopped"]


def test_the_longest_drain_has_a_margin() -> None:
    assert longest_drain(Settings(listeners=(), routes=(), drain=Drain(delay=3, spread=20, grace=10))) == 43
