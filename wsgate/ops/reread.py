"""Reads the configuration again for a reload, and says in the log why a reload is refused.

One process builds the new site beside the old one (``prepare``). The parent of workers only checks that this can be
done, in a child (``check``); each worker builds its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wsgate.events.emit import emit
from wsgate.ops.changes import Difference, differences, show
from wsgate.ops.checking import Checked, CheckError
from wsgate.ops.listeners import ListenError, look_up
from wsgate.settings.draft import Draft
from wsgate.settings.model import Settings
from wsgate.settings.problem import ConfigError
from wsgate.site.build import build, try_out
from wsgate.site.site import Site

# Reads the configuration; raises ConfigError when that is not possible
Load = Callable[[], Draft | Settings]

# The errors because of which a reload changes nothing
Refused = ConfigError | ListenError | CheckError

_STAYS = "everything stays as it was"


def prepare(load: Load, current: Site, *, patient: bool = False) -> Site:
    """Reads the settings again and builds their site; unchanged parts are the same objects as in ``current``.

    patient: as for ``build``: in a worker, whose parent has checked the settings. What it has accepted no worker may
        refuse, or each would serve another configuration

    Call it in a thread. Raises ``ConfigError`` when something is wrong.
    """
    loaded = load()
    try:
        return build(loaded, current, patient=patient)
    finally:
        log_warnings(loaded)


def log_warnings(loaded: Draft | Settings) -> None:
    """Logs the warnings about the configuration, at the start and at a reload."""
    for warning in loaded.warnings_in_order() if isinstance(loaded, Draft) else ():
        emit(logging.WARNING, "configuration warning", problem=str(warning))


def check(load: Load, current: Site) -> Checked:
    """Reads the settings again and tries everything that they name, in a process that ends afterwards.

    Raises as ``prepare``, and ``ListenError`` when the name of a new listener does not resolve.
    """
    loaded = load()
    try:
        try_out(loaded, current)
    finally:
        log_warnings(loaded)
    settings = loaded.finish() if isinstance(loaded, Draft) else loaded
    binds = {listener.settings.bind for listener in current.listeners}
    return Checked(settings, look_up([listener for listener in settings.listeners if listener.bind not in binds]))


def log_slow() -> None:
    """Logs that a reload takes long, and the possible reasons."""
    emit(
        logging.WARNING,
        "reload waits",
        reason="the file, or one that it names, is not read yet: its disk or the import of a plugin may hang",
        cure="mend it and send HUP again, which begins anew",
    )


def log_refusal(error: Refused, hint: str | None = None) -> None:
    """Logs why a reload changes nothing."""
    if isinstance(error, ConfigError):
        for problem in error.problems:
            emit(logging.ERROR, "wrong configuration", problem=str(problem))
        emit(logging.ERROR, "reload refused", reason=f"the file is wrong: {_STAYS}", errors=len(error.problems))
    else:
        emit(logging.ERROR, "reload refused", reason=f"{error}; {_STAYS}", hint=hint)


# What cannot change while the gateway runs, and why
_FIXED = {
    "workers": "the number of processes cannot change while they run",
    "tracing": "spans go where they went at the start while it runs",
    "admin": "the admin listener stays as it is while the gateway runs",
}


def keep_fixed(before: Settings, now: Settings) -> Settings:
    """Returns the new settings with the old values of what cannot change while the gateway runs; logs differences."""
    kept: dict[str, Any] = {
        name: getattr(before, name) for name in _FIXED if getattr(before, name) != getattr(now, name)
    }
    for name in kept:
        for difference in differences(getattr(before, name), getattr(now, name), name):
            _log_fixed(difference, before, now, _FIXED[name])
    if now.log.to != before.log.to:
        difference = Difference("log.to", before.log.to, now.log.to)
        _log_fixed(difference, before, now, "the log goes where it went at the start while the gateway runs")
        kept["log"] = replace(now.log, to=before.log.to)
    return replace(now, **kept) if kept else now  # so a difference is logged at every reload


def _log_fixed(difference: Difference, before: Settings, now: Settings, reason: str) -> None:
    emit(
        logging.WARNING,
        "restart needed",
        setting=difference.key,
        before=show(difference.before, difference.key, before.from_environment),
        now=show(difference.now, difference.key, now.from_environment),
        reason=reason,
    )
