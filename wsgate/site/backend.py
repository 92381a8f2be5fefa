"""A backend of a route, with its state."""

from __future__ import annotations

from typing import Generic, TypeVar

from wsgate.events.trouble import Trouble
from wsgate.settings.model import Target, WebSocketUrl

T = TypeVar("T", Target, WebSocketUrl)


class LiveBackend(Generic[T]):
    """A backend. ``address`` is as in the route, ``name`` is for the log."""

    __slots__ = ("_trouble", "address", "name")

    def __init__(self, route: str, address: T) -> None:
        self.address: T = address
        self.name = str(address)
        self._trouble = Trouble("backend failed", "backend well again", route=route, backend=self.name)

    def failed(self, error: str) -> None:
        """An attempt to use it has failed. Logs it if that is new."""
        self._trouble.begin(error)

    def worked(self) -> None:
        """It was used. Logs it if it had failed before."""
        self._trouble.end()
