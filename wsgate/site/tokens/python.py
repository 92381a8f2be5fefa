"""``python``: a function or a class of the operator's own, a websockify plugin for example.

A function that is not async runs in threads. An exception from it counts as a failure of the source, and affects no
session.
"""

from __future__ import annotations

import inspect
import json
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import trio

from wsgate.events.emit import HIDDEN
from wsgate.settings.model import Lookup
from wsgate.site.entry_points import NotThere, find, one_line
from wsgate.site.tokens.source import SourceError
from wsgate.site.tokens.values import Targets, from_object, targets

_THREADS = 16
_MAX_TRACE = 8 << 10  # characters


class PythonSource:
    """Calls the operator's function. Raises ``SourceError`` when there is none, or its class cannot be instantiated."""

    def __init__(self, settings: Lookup, tls: bool) -> None:
        self._name = str(settings.call)
        self._tls = tls
        self._call = _callable(settings)
        self._is_async = _is_async(self._call)
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def look_up(self, token: str) -> Targets | None:
        try:
            found = await self._ask(token)
        except (Exception, SystemExit) as error:
            raise SourceError(f"{self._name} raised {type(error).__name__}", _trace(error, token)) from None
        if found is None:
            return None
        try:
            return targets(found, self._tls) if isinstance(found, str) else from_object(found, self._tls)
        except ValueError as error:
            raise SourceError(f"{self._name}: what it returned {error}") from None

    def close(self) -> None:
        pass

    async def _ask(self, token: str) -> Any:
        if self._is_async:
            return await self._call(token)
        # abandoned if it does not return in time: its thread is not available for later lookups
        return await trio.to_thread.run_sync(self._call, token, abandon_on_cancel=True, limiter=self._limiter)


def _callable(settings: Lookup) -> Callable[[str], Any]:
    """Returns the function that looks up. Raises ``SourceError`` when there is none."""
    name = settings.call.name
    try:
        found = find(settings.call)
    except NotThere as error:
        raise SourceError(str(error), key="python.call") from None
    if inspect.isclass(found):
        if not callable(getattr(found, "lookup", None)):
            raise SourceError(f"the class {name} has no method lookup(token): write one", key="python.call")
        found = _made(settings, found)
    elif settings.source is not None:
        problem = f"it would do nothing, only a class is made with it, and {name} is none: remove it"
        raise SourceError(problem, key="python.source")
    if not inspect.isroutine(found) and hasattr(found, "lookup"):
        found = found.lookup
    if not callable(found):
        problem = f"{name} is neither a function nor a class with a method lookup(token)"
        raise SourceError(problem, key="python.call")
    call: Callable[[str], Any] = found
    return call


def _made(settings: Lookup, kind: Callable[..., Any]) -> object:
    """Instantiates a class like websockify: with the source, which may be ``None``."""
    source = settings.source
    try:
        return kind() if source is None and _takes_nothing(kind) else kind(source)
    except (Exception, SystemExit) as error:
        problem = f"making {settings.call} with the source {source!r} raised {one_line(error)}"
        raise SourceError(problem, key="python.call" if source is None else "python.source") from None


def _takes_nothing(kind: Callable[..., Any]) -> bool:
    try:
        inspect.signature(kind).bind()
    except (TypeError, ValueError):
        return False
    return True


def _is_async(call: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def _trace(error: BaseException, token: str) -> str:
    """Returns the traceback without the token in any of its forms."""
    text = "".join(traceback.format_exception(error))
    written = {token, repr(token)[1:-1], json.dumps(token)[1:-1], quote(token), quote(token, safe="")}
    for form in sorted(written, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text[-_MAX_TRACE:]
