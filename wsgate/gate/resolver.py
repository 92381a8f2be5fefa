"""The system's resolver, in threads of its own.

A lookup may take as long as somebody's DNS likes, and nothing can end its thread before: not even the deadline of who
has asked. In the threads that all the others share, names that never answer would soon hold up files and reloads.
"""

from __future__ import annotations

import socket
from typing import Any

import trio

LOOKUPS = 64  # at once; more wait, each under its own deadline


class Resolver(trio.abc.HostnameResolver):
    """For ``trio.socket.set_custom_hostname_resolver``."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(LOOKUPS)

    async def getaddrinfo(self, *asked: Any) -> Any:
        """As ``socket.getaddrinfo``. A lookup that is cancelled keeps its place until its thread has ended."""
        return await trio.to_thread.run_sync(socket.getaddrinfo, *asked, abandon_on_cancel=True, limiter=self._limiter)

    async def getnameinfo(self, *asked: Any) -> Any:
        """As ``socket.getnameinfo``."""
        return await trio.to_thread.run_sync(socket.getnameinfo, *asked, abandon_on_cancel=True, limiter=self._limiter)
