"""What a source of tokens is, and what the kinds of them share."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import trio

from wsgate.net.dial import TlsClient
from wsgate.site.tokens.values import Targets

T = TypeVar("T")
TlsContext = Callable[[], ssl.SSLContext]


class SourceError(Exception):
    """A source that cannot tell where a token leads. The message is for the log: what is wrong and what to do, never
    the token.

    trace: where in an operator's own code it went wrong
    key: the path below ``token`` of the setting that names what cannot be used; empty while a token is looked up
    """

    def __init__(self, message: str, trace: str = "", key: str = "") -> None:
        super().__init__(message)
        self.trace = trace
        self.key = key


class NoTarget(Exception):
    """As ``None``: this token leads nowhere. The message, for the log, says why; never the token."""


class Source(Protocol):
    async def look_up(self, token: str) -> Targets | None:
        """Where a token leads; ``None`` is nowhere. The caller bounds the time. Raises ``NoTarget``, too, and
        ``SourceError``."""

    def close(self) -> None:
        """Give back what is held between lookups. There may still be lookups, which then hold nothing."""


class Local:
    """A source that answers from files of this machine, in a thread: the disk may be slow, or a network behind it.

    A thread that hangs is left behind, and stays one of the ``threads`` that there are for this source alone.
    """

    def __init__(self, threads: int = 1) -> None:
        self._limiter = trio.CapacityLimiter(threads)

    def find(self, token: str) -> Targets | None:
        """As ``look_up``, on the thread."""
        raise NotImplementedError

    async def look_up(self, token: str) -> Targets | None:
        return await self._in_thread(self.find, token)

    async def missing(self, tokens: Sequence[str]) -> set[str]:
        """Those that lead nowhere: many, at the price of one thread. Raises ``SourceError``."""
        return await self._in_thread(self.find_missing, tokens)

    def find_missing(self, tokens: Sequence[str]) -> set[str]:
        """As ``missing``, on the thread."""
        return {token for token in tokens if not self._leads(token)}

    def _leads(self, token: str) -> bool:
        try:
            return self.find(token) is not None
        except NoTarget:
            return False

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await trio.to_thread.run_sync(work, *arguments, abandon_on_cancel=True, limiter=self._limiter)

    def close(self) -> None:
        pass


async def tls_client(
    context: TlsContext | None, server_name: str | None, limiter: trio.CapacityLimiter
) -> TlsClient | None:
    """For the next connection to a source. In a thread, one of the source's own: the context's files may have changed,
    and their disk may hang."""
    if context is None:
        return None
    return TlsClient(await trio.to_thread.run_sync(context, abandon_on_cancel=True, limiter=limiter), server_name)
