"""Finds Python objects that the settings name. It imports their modules, which runs their code."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from wsgate.settings.model import EntryPoint
from wsgate.text.error import quote


class NotThere(Exception):
    """There is no such object; the message says why, with the cure."""


def find(entry: EntryPoint) -> Any:
    """Returns the object. Call it in a thread. Raises ``NotThere`` when there is none."""
    importlib.invalidate_caches()  # it may have been put there since, for a reload
    try:
        found: Any = importlib.import_module(entry.module)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{entry.module}.".startswith(f"{missing}."):
            cure = "install it, or put its directory on PYTHONPATH"
            raise NotThere(f"there is no module {entry.module}: {cure}") from None
        raise NotThere(f"importing {entry.module} raised {one_line(error)}: mend it") from None
    there = entry.module
    for name in entry.name.split("."):
        if not hasattr(found, name):
            near = difflib.get_close_matches(name, dir(found), 1)
            cure = f"; did you mean {quote(near[0])}?" if near else ": write it, or another name"
            raise NotThere(f"{there} has no {name}{cure}")
        found = getattr(found, name)
        there = f"{there}.{name}"
    return found


def one_line(error: BaseException) -> str:
    """Returns an exception's kind and message, for a message."""
    return " ".join(f"{type(error).__name__}: {error}".split())
