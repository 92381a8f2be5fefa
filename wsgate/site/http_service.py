"""Asks an HTTP service of the operator's: one connection for each question, an answer of bounded size.

Redirects are not followed, so that only the configured service is asked.
"""

from __future__ import annotations

import contextlib

import trio

from wsgate.net.ask import ask
from wsgate.net.dial import DialError, dial
from wsgate.settings.model import BackendTls, HttpUrl, Target
from wsgate.site.certificates import CertificateError
from wsgate.site.tokens.source import SourceError, TlsContext, tls_client
from wsgate.wire.fetch import MAX_BODY, Fetch, Fetched, Unusable
from wsgate.wire.headers import Headers


class HttpService:
    """An HTTP service.

    context: called for each connection, so that certificates may change; ``None`` without TLS
    within: seconds in which a connection must be there
    """

    def __init__(self, url: HttpUrl, tls: BackendTls, context: TlsContext | None, within: float) -> None:
        self._url = url
        self._within = within
        self._server = Target(url.address, url.tls)
        self._context = context
        self._server_name = tls.server_name
        self._limiter = trio.CapacityLimiter(1)
        default = url.address.port == (443 if url.tls else 80)  # then it is left out of Host (RFC 9110 §4.2.3)
        self.host = str(url.address).rpartition(":")[0] if default else str(url.address)

    async def get(self, target: str, more: Headers = (), max_body: int = MAX_BODY) -> Fetched:
        """Returns the answer to a GET. The caller bounds the time.

        target: path and query, in ASCII
        more: fields of the request, beside those that each one has
        max_body: bytes that the answer's body may have

        Raises ``SourceError`` when there is no complete answer.
        """
        try:
            client = await tls_client(self._context, self._server_name, self._limiter)
            sock = await dial(self._server, self._within, client)
        except (DialError, CertificateError) as error:
            raise SourceError(f"{self._url.shown}: {error}") from None
        with contextlib.closing(sock):
            answer = await ask(sock, Fetch(self.host, target, more, max_body))
        if isinstance(answer, Unusable):
            raise SourceError(f"{self._url.shown}: {answer.reason}")
        return answer
