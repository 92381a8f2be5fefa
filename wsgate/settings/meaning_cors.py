"""The second pass, meaning: which pages may read answers."""

from __future__ import annotations

from typing import Any

from wsgate.settings.draft import Broken
from wsgate.settings.faults import ReportFault, items
from wsgate.settings.model import ANY_ORIGIN, SAME_HOST, Cors, Headers, PlainHttp, Route, ToClient

_EVERYBODY = {
    ANY_ORIGIN: "every page could read what its visitor may see",
    "null": "every page can have a frame whose origin is null, and could read what its visitor may see",
}


def check_cors(route: Route, path: str, fault: ReportFault) -> None:
    """Reports what is wrong with ``cors`` of the route at ``path``."""
    cors, origins = route.cors, route.origins
    if not isinstance(cors, Cors) or isinstance(route.http, Broken):
        return
    if route.http is not PlainHttp.FORWARD:
        fault(f"{path}.cors", "it is about plain HTTP that is passed on: write http: forward, or remove it")
        return
    if origins == ():
        fault(f"{path}.cors", "it says not to whom: name the pages in origins")
    elif origins == (SAME_HOST,):
        fault(f"{path}.cors", f"pages of the same host need none: name others in origins, beside {SAME_HOST}")
    for index, page in items(origins):
        if isinstance(page, str) and page in _EVERYBODY and cors.credentials is True:
            cure = "name the pages, or write credentials: false"
            fault(f"{path}.origins[{index}]", f"with credentials {_EVERYBODY[page]}: {cure}")
    _check_fields(route.headers, path, fault)


def _check_fields(headers: Any, path: str, fault: ReportFault) -> None:
    changes = getattr(headers, "to_client", None)
    if not isinstance(headers, Headers) or not isinstance(changes, ToClient):
        return
    for key, pairs in (("set", changes.set_), ("add", changes.add)):
        for _, pair in items(pairs):
            if isinstance(pair, tuple) and str(pair[0]).lower().startswith("access-control-"):
                fault(f"{path}.headers.to_client.{key}.{pair[0]}", "cors writes it: remove one of them")
