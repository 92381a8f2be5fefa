"""The second pass, meaning: values that are right one by one and wrong together, or wrong on this machine.

It gets what the first pass could decode, so a value may be ``Broken`` here: such a value equals nothing, and nothing is
said about it twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from wsgate.settings.model import Files, Listener, Match, PathKind, PathPattern, Route, TcpAddress

# Notes a problem with the value at a path.
Fault = Callable[[str, str], object]

_ANY_PATH = PathPattern(PathKind.PREFIX, "/")


def check(settings: Any, fault: Fault) -> None:
    """Note what is wrong with the Settings, or with what there is of them, through ``fault``."""
    listeners = _entries(settings, "listeners", Listener)
    routes = _entries(settings, "routes", Route)
    _check_binds(listeners, fault)
    _check_names(routes, fault)
    _check_order(routes, fault)
    _check_files(routes, fault)


def _entries(settings: Any, attribute: str, cls: type) -> list[tuple[int, Any]]:
    """The decoded elements of a list, with their index in the file."""
    elements = getattr(settings, attribute, ())
    return [(i, e) for i, e in enumerate(elements if isinstance(elements, tuple) else ()) if isinstance(e, cls)]


def _check_binds(listeners: list[tuple[int, Any]], fault: Fault) -> None:
    first: dict[Any, int] = {}
    for index, listener in listeners:
        bind = listener.bind
        # The kernel gives each port 0 a port of its own.
        if isinstance(bind, TcpAddress) and bind.port == 0:
            continue
        if (other := first.setdefault(bind, index)) != index:
            fault(f"listeners[{index}].bind", f"listeners[{other}] has {bind} already: remove one of them")


def _check_names(routes: list[tuple[int, Any]], fault: Fault) -> None:
    first: dict[Any, int] = {}
    for index, route in routes:
        if (other := first.setdefault(route.name, index)) != index:
            fault(f"routes[{index}].name", f"routes[{other}] has the name {route.name} already: rename one of them")


def _check_order(routes: list[tuple[int, Any]], fault: Fault) -> None:
    # Only what is plain to see: a match that takes everything, and the same match again.
    takes_all: int | None = None
    first: dict[Any, int] = {}
    for index, route in routes:
        if not isinstance(route.match, Match):
            continue
        criteria = _criteria(route.match)
        if takes_all is not None:
            message = f"never reached: routes[{takes_all}] takes every request; move it to the end"
            fault(f"routes[{index}]", message)
        elif (other := first.setdefault(criteria, index)) != index:
            fault(f"routes[{index}]", f"never reached: routes[{other}] takes the same requests; remove one of them")
        elif not any(criteria):
            takes_all = index


def _criteria(match: Match) -> tuple[Any, ...]:
    """What a match asks for, in one form for each meaning: lists in any order, ``/*`` as no path at all."""
    values = (getattr(match, field.name) for field in fields(match))
    return tuple(
        frozenset(value) if isinstance(value, tuple) else None if value == _ANY_PATH else value for value in values
    )


def _check_files(routes: list[tuple[int, Any]], fault: Fault) -> None:
    for index, route in routes:
        root = route.action.root if isinstance(route.action, Files) else None
        if isinstance(root, str) and not os.path.isdir(root):
            what = "is not a directory" if os.path.exists(root) else "does not exist"
            fault(f"routes[{index}].files.root", f"the directory {root!r} {what}")
