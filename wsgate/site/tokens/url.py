"""``url``: asks an HTTP service for each token; the body of its answer is the target.

200 with a body is a target. 404, 410, 401, 403 and an empty body mean that there is none. Any other answer, also a
redirect, is a failure of the service.
"""

from __future__ import annotations

from urllib.parse import quote

from wsgate.settings.model import BackendTls, TokenUrl
from wsgate.site.http_service import HttpService
from wsgate.site.tokens.source import SourceError, TlsContext
from wsgate.site.tokens.values import Targets, targets

_NO_TARGET = frozenset({401, 403, 404, 410})


class UrlSource:
    """A source that makes a connection for each lookup."""

    def __init__(
        self, url: TokenUrl, backend_tls: BackendTls, tls: bool, context: TlsContext | None, within: float
    ) -> None:
        self._url = url
        self._tls = tls
        self._service = HttpService(url, backend_tls, context, within)

    async def look_up(self, token: str) -> Targets | None:
        if token in (".", ".."):  # they would be dot segments of the path, also if quoted (RFC 3986 §6.2.2.3)
            return None
        answer = await self._service.get(self._url.target.replace("{token}", quote(token, safe="")))
        if answer.status in _NO_TARGET or (answer.status in (200, 204) and not answer.body.strip()):
            return None
        if answer.status != 200:
            raise SourceError(f"{self._url.shown} answered with status {answer.status}")
        try:
            return targets(answer.body.decode(), self._tls)
        except UnicodeDecodeError:
            raise SourceError(f"{self._url.shown}: its answer is not UTF-8") from None
        except ValueError as error:
            raise SourceError(f"{self._url.shown}: its answer {error}") from None

    def close(self) -> None:
        pass
