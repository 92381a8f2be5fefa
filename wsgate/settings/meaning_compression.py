"""The second pass, meaning: compression."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from wsgate.settings.draft import Broken, is_whole
from wsgate.settings.faults import ReportFault
from wsgate.settings.model import Compression, Relay

_OWN = ("level", "threshold", "context", "window", "no_compress")


def check_compression(compression: Any, path: str, fault: ReportFault, given: Container[str]) -> None:
    """Checks the keys of the compression at ``path`` against each other."""
    if path not in given or not isinstance(compression, Compression) or not is_whole(compression):
        return
    if compression.mode is not None and (compression.client is not None or compression.backend is not None):
        fault(f"{path}.mode", "with pass the gateway does not compress: remove it, or client and backend")
    if compression.is_own and f"{path}.inspect" in given:
        fault(f"{path}.inspect", "what the gateway inflates itself is always checked: remove it")
    if compression.is_own:
        if not compression.client and not compression.backend:
            fault(path, "the gateway compresses on neither side: write compression: off for this")
        return
    for key in _OWN:
        if f"{path}.{key}" in given:
            fault(f"{path}.{key}", "it is for the gateway's own compression: write client: on or backend: on, too")


def check_routes_compression(routes: list[tuple[int, Any]], fault: ReportFault, given: Container[str]) -> None:
    """Checks the compression of each route."""
    for index, route in routes:
        path = f"routes[{index}].compression"
        if (
            path in given
            and isinstance(route.compression, Compression)
            and not isinstance(route.action, Relay | Broken)
        ):
            fault(path, "only a relay has compressed messages: remove it")
            continue
        check_compression(route.compression, path, fault, given)
