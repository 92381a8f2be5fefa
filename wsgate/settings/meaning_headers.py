"""The second pass, meaning: header fields that a route changes."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

from wsgate.settings.draft import Broken, is_whole
from wsgate.settings.faults import ReportFault, ReportWarning, items
from wsgate.settings.meaning_auth import asks_for_nothing, may_ask
from wsgate.settings.model import Headers, Relay, Route, ToBackend, ToClient, Tunnel
from wsgate.text.variables import variables_in

Changes = ToBackend | ToClient


def check_headers(
    route: Route,
    listeners: Sequence[Any],
    ids: Any,
    path: str,
    fault: ReportFault,
    warn: ReportWarning,
    given: Container[str],
) -> None:
    """Checks the changes of the route at ``path``; warns of variables that never have a value.

    listeners: may be ``Broken``
    ids: ``request_id``, which may be ``Broken``
    """
    headers = route.headers
    if not isinstance(headers, Headers):
        return
    if f"{path}.headers.to_backend" in given and not isinstance(route.action, Relay | Broken):
        what = "a TCP service gets no header fields" if isinstance(route.action, Tunnel) else "there is no backend here"
        fault(f"{path}.headers.to_backend", f"{what}: remove it")
    for name, changes in (("to_backend", headers.to_backend), ("to_client", headers.to_client)):
        if not isinstance(changes, Changes):
            continue
        _check_names(changes, f"{path}.headers.{name}", fault)
        for where, value in _values(changes):
            for variable in variables_in(value):
                if why := _why_empty(variable, route, listeners, ids):
                    warn(f"{path}.headers.{name}.{where}", f"{{{variable}}} has never a value here: {why}")


def _check_names(changes: Changes, path: str, fault: ReportFault) -> None:
    """Finds a field that is changed in two ways."""
    first: dict[str, str] = {}
    for key in ("set", "add"):
        for _, pair in items(getattr(changes, key if key == "add" else "set_")):
            if isinstance(pair, Broken):
                continue
            name = pair[0]
            if (other := first.setdefault(name.lower(), key)) != key:
                fault(f"{path}.{key}.{name}", f"{name} is under {other}, too: write it in one of them")
    for index, removed in items(changes.remove):
        kept = first.get(removed)
        if kept is not None:
            cure = "set replaces it already" if kept == "set" else "write it under set, which replaces it"
            fault(f"{path}.remove[{index}]", f"{removed} is under {kept}, too: {cure}")


def _values(changes: Changes) -> Iterator[tuple[str, str]]:
    for key, pairs in (("set", changes.set_), ("add", changes.add)):
        for _, pair in items(pairs):
            if is_whole(pair):
                yield f"{key}.{pair[0]}", pair[1]


def _why_empty(variable: str, route: Route, listeners: Sequence[Any], ids: Any) -> str:
    if variable == "user" and asks_for_nothing(route.auth):
        return "the route asks for no credential, write auth"
    if variable == "subject" and not any(map(may_ask, listeners)):
        return "no listener asks for certificates, write client_ca under tls of one"
    if variable == "request_id" and ids is None:
        return "request_id is off"
    return ""
