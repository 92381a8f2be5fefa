"""What must fit together in ``admin``, and in ``state`` of a route."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from wsgate.settings.draft import Broken
from wsgate.settings.faults import ReportFault
from wsgate.settings.model import Admin, AdminMetrics, AdminTap, Relay, State, StateAnswer, TcpAddress
from wsgate.text.host import is_loopback


def check_admin(admin: Any, routes: list[tuple[int, Any]], fault: ReportFault) -> None:
    """Checks ``admin``, which may have ``Broken`` parts.

    routes: those that could be decoded, with their index
    fault: reports a problem
    """
    if not isinstance(admin, Admin):
        return
    if isinstance(admin.bind, TcpAddress):
        if isinstance(admin.mode, int):
            fault("admin.mode", f"only a Unix socket has a mode, and {admin.bind} is none: remove it")
        if admin.token is None and not is_loopback(admin.bind.host):
            message = f"others can reach {admin.bind}: write token, or bind 127.0.0.1 or a Unix socket"
            fault("admin.bind", message)
    if admin.metrics is AdminMetrics.TOKEN and admin.token is None:
        fault("admin.metrics", "there is no token to ask for: write token, or remove this")
    if admin.tap is AdminTap.PAYLOAD and admin.token is None and isinstance(admin.bind, TcpAddress):
        message = (
            f"every program that reaches {admin.bind} could read what clients send: write token, or bind a Unix socket"
        )
        fault("admin.tap", message)
    if isinstance(admin.backends, tuple):
        _check_backends(admin.backends, "admin.backends", routes, fault)


def check_states(routes: list[tuple[int, Any]], fault: ReportFault, given: Container[str]) -> None:
    """Checks ``state`` of each route. ``given``: the paths of the values in the file."""
    for index, route in routes:
        action = route.action
        if not isinstance(action, State) or not isinstance(action.backends, tuple):
            continue
        path = f"routes[{index}].state.backends"
        if action.answer is StateAnswer.ALIVE and path in given:
            fault(path, "what is alive does not depend on backends: remove it, or write answer: ready")
        else:
            _check_backends(action.backends, path, routes, fault)


def _check_backends(names: tuple[Any, ...], base: str, routes: list[tuple[int, Any]], fault: ReportFault) -> None:
    by_name = {route.name: route for _, route in routes}
    for index, name in enumerate(names):
        path = f"{base}[{index}]"
        if isinstance(name, Broken) or any(isinstance(each, Broken) for each in by_name):
            continue
        if name not in by_name:
            fault(path, f"no route has the name {name}: correct it, or remove it")
            continue
        action = by_name[name].action
        if isinstance(action, Relay) and action.health is None:
            fault(path, f"nobody checks the backends of {name}: write health under its relay")
        elif not isinstance(action, Relay | Broken):
            fault(path, f"only relay has backends that are checked, and {name} is none: remove it")
