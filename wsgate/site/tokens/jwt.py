"""``jwt``: signed tokens that carry their target in the claims ``host`` and ``port``, or ``unix_socket`` (RFC 7519)."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from wsgate.settings.model import Jwt
from wsgate.site.jwt.key_file import key_file
from wsgate.site.jwt.keys import Key
from wsgate.site.jwt.valid_token import BadToken
from wsgate.site.jwt.verify import Rules, verify
from wsgate.site.tokens.source import Local, NoTarget, SourceError
from wsgate.site.tokens.values import Targets, from_object


class JwtSource(Local):
    """Verifies signed tokens. Raises ``SourceError`` when the keys cannot be used."""

    def __init__(self, settings: Jwt, tls: bool) -> None:
        super().__init__()
        self._tls = tls
        audience = () if settings.audience is None else (settings.audience,)
        self._rules = Rules(audience, settings.issuer, heeds_iat=False)
        self._keys = key_file(settings.key, settings.jwks, settings.algorithms)
        try:
            self._keys.load()
        except SourceError as error:
            raise SourceError(str(error), key="jwt.jwks" if settings.key is None else "jwt.key") from None

    async def look_up(self, token: str) -> Targets | None:
        return self._find(token, await self._keys.get())

    async def missing(self, tokens: Sequence[str]) -> set[str]:
        keys, missing = await self._keys.get(), set()
        for token in tokens:
            try:
                self._find(token, keys)
            except NoTarget:
                missing.add(token)
            await trio.lowlevel.checkpoint()  # a signature takes about 100 microseconds
        return missing

    def _find(self, token: str, keys: tuple[Key, ...]) -> Targets:
        try:
            claims = verify(token, keys, self._rules)
        except BadToken as error:
            raise NoTarget(str(error)) from None
        try:
            return from_object(claims, self._tls)
        except ValueError as error:
            raise NoTarget(f"the token is valid, but what it claims as host and port {error}") from None
