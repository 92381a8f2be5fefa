"""What one process and the parent of workers do alike for a reload."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from tests.log import Log
from wsgate.ops.listeners import ListenError
from wsgate.ops.reread import check, keep_fixed, log_refusal, log_warnings, prepare
from wsgate.settings.draft import Draft
from wsgate.settings.model import Listener, Respond, Route, Settings, TcpAddress
from wsgate.settings.problem import ConfigError, Problem
from wsgate.site.build import build

LISTENER = Listener(bind=TcpAddress("localhost", 1))
SETTINGS = Settings(listeners=(LISTENER,), routes=(Route(name="a", action=Respond()),))
WITH_ANOTHER = replace(SETTINGS, listeners=(LISTENER, replace(LISTENER, bind=TcpAddress("127.0.0.1", 2))))


def draft_with_warning() -> Draft:
    draft = Draft.of(SETTINGS)
    draft.warn("routes[0]", "not what you mean")
    return draft


def draft_with_fault() -> Draft:
    draft = draft_with_warning()
    draft.fault("routes[0]", "wrong")
    return draft


def test_what_did_not_change_is_the_same_object() -> None:
    current = build(SETTINGS)
    site = prepare(lambda: WITH_ANOTHER, current)
    assert site.listeners[0] is current.listeners[0]
    assert site.routes[0] is current.routes[0]
    assert len(site.listeners) == 2


def test_only_the_names_of_new_listeners_are_looked_up() -> None:
    checked = check(lambda: WITH_ANOTHER, build(SETTINGS))
    assert checked.settings == WITH_ANOTHER
    assert list(checked.looked_up) == [TcpAddress("127.0.0.1", 2)]


@pytest.mark.parametrize("attempt", [prepare, check])
def test_warnings_are_logged_for_a_refused_file_too(attempt: type, log: Log) -> None:
    with pytest.raises(ConfigError, match="wrong"):
        attempt(draft_with_fault, build(SETTINGS))
    assert "not what you mean" in log.one("configuration warning")["problem"]


def test_settings_without_a_file_have_no_warnings(log: Log) -> None:
    log_warnings(SETTINGS)
    assert log.events() == []


def test_each_problem_of_a_refused_file_is_logged(log: Log) -> None:
    problems = (Problem("f", 1, 1, "a", "first"), Problem("f", 2, 1, "b", "second"))
    log_refusal(ConfigError(problems))
    assert [fields["problem"] for fields in log.all("wrong configuration")] == [str(problem) for problem in problems]
    assert log.one("reload refused")["errors"] == 2


def test_another_refusal_has_its_reason_and_its_hint(log: Log) -> None:
    log_refusal(ListenError("cannot listen"), hint="restart it")
    assert log.one("reload refused") == {"reason": "cannot listen; everything stays as it was", "hint": "restart it"}


def test_the_number_of_workers_is_kept(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wsgate")
    assert keep_fixed(SETTINGS, SETTINGS) is SETTINGS
    assert log.events() == []
    assert keep_fixed(SETTINGS, replace(SETTINGS, workers=4)) == SETTINGS
    assert log.one("restart needed")["now"] == "4"
