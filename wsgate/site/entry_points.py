"""Python objects that the settings name: whether they are there and look up tokens."""

from __future__ import annotations

import difflib
import importlib
import inspect
from typing import Any

from wsgate.settings.model import EntryPoint, Lookup
from wsgate.text.error import quote

# The path of a key below the python mapping; and what is wrong there, with the cure.
Fault = tuple[str, str]


class _NotThere(Exception):
    """Why there is no such object, with the cure."""


def check_entry_point(lookup: Lookup) -> list[Fault]:
    """What is wrong with a function or class of the operator's own. Imports its module, which runs what is in there;
    a class is not made yet."""
    try:
        found = _find(lookup.call)
    except _NotThere as error:
        return [("call", str(error))]
    name = lookup.call.name
    if inspect.isclass(found):
        return [] if _looks_up(found) else [("call", f"the class {name} has no method lookup(token): write one")]
    if not _looks_up(found) and not callable(found):
        return [("call", f"{name} is neither a function nor a class with a method lookup(token)")]
    if lookup.source is not None:
        return [("source", f"it would do nothing, only a class is made with it, and {name} is none: remove it")]
    return []


def _find(entry: EntryPoint) -> Any:
    importlib.invalidate_caches()  # it may have been put there since, for a reload
    try:
        found: Any = importlib.import_module(entry.module)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{entry.module}.".startswith(f"{missing}."):
            cure = "install it, or put its directory on PYTHONPATH"
            raise _NotThere(f"there is no module {entry.module}: {cure}") from None
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise _NotThere(f"importing {entry.module} raised {words}: mend it") from None
    there = entry.module
    for name in entry.name.split("."):
        if not hasattr(found, name):
            near = difflib.get_close_matches(name, dir(found), 1)
            cure = f"; did you mean {quote(near[0])}?" if near else ": write it, or another name"
            raise _NotThere(f"{there} has no {name}{cure}")
        found = getattr(found, name)
        there = f"{there}.{name}"
    return found


def _looks_up(found: object) -> bool:
    return callable(getattr(found, "lookup", None))
