"""The HTTP service of one ``auth.forward``, which is asked about each request of a client."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from wsgate.events.trouble import Trouble
from wsgate.net.resolver import set_requester
from wsgate.settings.model import ForwardAuth
from wsgate.site.certificates import CertificateError, present_context
from wsgate.site.credential import Credential
from wsgate.site.http_service import HttpService
from wsgate.site.tokens.source import SourceError
from wsgate.wire.fetch import Fetched
from wsgate.wire.headers import Headers

MAX_QUESTIONS = 64  # at once; others wait, within their time
_MAX_BODY = 1 << 20  # bytes of an answer, which nobody reads: a page to log in
_REFUSES = frozenset({301, 302, 303, 307, 308, 401, 403})


class ForwardService(Credential):
    """The service. Its answer is a 2xx, a 401 or 403, or leads to another page; all else means that it is broken."""

    def __init__(self, settings: ForwardAuth) -> None:
        self.settings = settings
        self.writes = [name.lower().encode() for name in settings.fields]
        self._context = present_context(settings.url_tls)
        context = self._context if settings.url.tls else None
        self._service = HttpService(settings.url, settings.url_tls, context, settings.timeout)
        self._under_way = trio.CapacityLimiter(MAX_QUESTIONS)
        self._trouble = Trouble("auth service broken", "auth service well again", url=settings.url.shown)

    def load(self) -> Sequence[tuple[str, str]]:
        """Reads the files of TLS. The service is not asked here, because it may be available later."""
        if self.settings.url.tls:
            try:
                self._context()
            except CertificateError as error:
                return [(f"url_tls.{below}" if below else "url_tls", message) for below, message in error.faults]
        return ()

    async def ask(self, fields: Headers) -> Fetched:
        """Returns the answer about a client, within the timeout.

        fields: of the request to the service

        Raises ``SourceError`` when the service is broken, or does not answer in time.
        """
        try:
            answer = await self._ask(fields)
        except SourceError as error:
            self._trouble.begin(str(error), consequence="clients get 503")
            raise
        self._trouble.end()
        return answer

    async def _ask(self, fields: Headers) -> Fetched:
        url, within = self.settings.url, self.settings.timeout
        shown = url.shown
        try:
            with trio.fail_after(within):
                async with self._under_way:
                    set_requester(f"{shown} (auth.forward)")
                    answer = await self._service.get(url.target, fields, _MAX_BODY)
        except trio.TooSlowError:
            raise SourceError(f"{shown} did not answer within {within:g} s") from None
        if not 200 <= answer.status < 300 and answer.status not in _REFUSES:
            raise SourceError(f"{shown} answered with status {answer.status}")
        return answer
