"""``url``: asks an HTTP service for each token; the body of its answer is the target.

200 with a body is a target. 404, 410, 401, 403 and an empty body mean that there is none. Any other answer is a failure
of the service. Redirects are not followed, so that only the configured service gets tokens.
"""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import trio

from wsgate.net.dial import DialError, dial
from wsgate.net.io import receive_or_raise, send_all
from wsgate.net.tls.handshake import explain
from wsgate.net.transport import Transport
from wsgate.settings.model import BackendTls, Target, TokenUrl
from wsgate.site.tokens.source import SourceError, TlsContext, tls_client
from wsgate.site.tokens.values import Targets, targets
from wsgate.wire.fetch import Fetch, Fetched, Unusable

_NO_TARGET = frozenset({401, 403, 404, 410})


class UrlSource:
    """A source that makes a connection for each lookup."""

    def __init__(
        self, url: TokenUrl, backend_tls: BackendTls, tls: bool, context: TlsContext | None, within: float
    ) -> None:
        self._url = url
        self._tls = tls
        self._within = within
        self._server = Target(url.address, url.tls)
        self._context = context
        self._server_name = backend_tls.server_name
        self._limiter = trio.CapacityLimiter(1)
        default = url.address.port == (443 if url.tls else 80)  # then it is left out of Host (RFC 9110 §4.2.3)
        self._host = str(url.address).rpartition(":")[0] if default else str(url.address)

    async def look_up(self, token: str) -> Targets | None:
        if token in (".", ".."):  # they would be dot segments of the path, also if quoted (RFC 3986 §6.2.2.3)
            return None
        answer = await self._fetch(self._url.target.replace("{token}", quote(token, safe="")))
        if answer.status in _NO_TARGET or (answer.status in (200, 204) and not answer.body.strip()):
            return None
        if answer.status != 200:
            raise SourceError(f"{self._url} answered with status {answer.status}")
        try:
            return targets(answer.body.decode(), self._tls)
        except UnicodeDecodeError:
            raise SourceError(f"{self._url}: its answer is not UTF-8") from None
        except ValueError as error:
            raise SourceError(f"{self._url}: its answer {error}") from None

    def close(self) -> None:
        pass

    async def _fetch(self, target: str) -> Fetched:
        try:
            client = await tls_client(self._context, self._server_name, self._limiter)
            sock = await dial(self._server, self._within, client)
        except DialError as error:
            raise SourceError(f"{self._url}: {error}") from None
        with contextlib.closing(sock):
            answer = await self._exchange(sock, Fetch(self._host, target))
        if isinstance(answer, Unusable):
            raise SourceError(f"{self._url}: {answer.reason}")
        return answer

    async def _exchange(self, sock: Transport, fetch: Fetch) -> Fetched | Unusable:
        await send_all(sock, fetch.request)  # if it is gone, reading tells why
        while True:
            try:
                answer = fetch.receive(await receive_or_raise(sock))
            except OSError as error:
                return fetch.lost(explain(error))
            if answer is not None:
                return answer
