"""The interface of token sources, and their common parts."""

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
    """A token source has failed. The message is for the log: what is wrong and what to do, never the token.

    trace: the traceback in the operator's own code
    key: the path of the faulty setting below ``token``; empty during a lookup
    """

    def __init__(self, message: str, trace: str = "", key: str = "") -> None:
        super().__init__(message)
        self.trace = trace
        self.key = key


class NoTarget(Exception):
    """A token is not valid, like ``None``, but with the reason for the log, which never has the token."""


class Source(Protocol):
    async def look_up(self, token: str) -> Targets | None:
        """Returns the targets of a token; ``None`` if it is not valid. The caller bounds the time.

        Raises ``NoTarget`` when it is not valid for a reason, ``SourceError`` when the source has failed.
        """

    def close(self) -> None:
        """Releases what is kept between lookups. Later lookups are allowed and keep nothing."""


class Local:
    """A source that reads local files in threads, because a disk may be slow or hang.

    threads: how many this source may use; a thread that hangs is abandoned and still counts
    """

    def __init__(self, threads: int = 1) -> None:
        self._limiter = trio.CapacityLimiter(threads)

    def find(self, token: str) -> Targets | None:
        """Like ``look_up``; runs in the thread."""
        raise NotImplementedError

    async def look_up(self, token: str) -> Targets | None:
        return await self._in_thread(self.find, token)

    async def missing(self, tokens: Sequence[str]) -> set[str]:
        """Returns the tokens that are not valid, by one call in a thread. Raises ``SourceError`` when the source has
        failed."""
        return await self._in_thread(self.find_missing, tokens)

    def find_missing(self, tokens: Sequence[str]) -> set[str]:
        """Like ``missing``; runs in the thread."""
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
    """Returns the TLS settings for the next connection to a source.

    In a thread of the source, because the files may have changed, and their disk may hang.
    """
    if context is None:
        return None
    return TlsClient(await trio.to_thread.run_sync(context, abandon_on_cancel=True, limiter=limiter), server_name)
