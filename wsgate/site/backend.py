"""A backend that the file names, made live: where it is, and what was said of it."""

from __future__ import annotations

from typing import Generic, TypeVar

from wsgate.events.trouble import Trouble
from wsgate.settings.model import Target, WebSocketUrl

T = TypeVar("T", Target, WebSocketUrl)


class LiveBackend(Generic[T]):
    """``address`` is as the route has it, ``name`` is for the log."""

    __slots__ = ("_trouble", "address", "name")

    def __init__(self, route: str, address: T) -> None:
        self.address: T = address
        self.name = str(address)
        self._trouble = Trouble("backend failed", "backend well again", route=route, backend=self.name)

    def failed(self, error: str) -> None:
        """It could not be used."""
        self._trouble.begin(error)

    def worked(self) -> None:
        """It could be used."""
        self._trouble.end()
