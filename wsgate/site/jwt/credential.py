"""The signed tokens of one ``auth.jwt``: whether one is valid, whose it is, and what of it backends get."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from wsgate.settings.model import Expire, HttpUrl, JwtAuth
from wsgate.site.certificates import CertificateError, present_context
from wsgate.site.jwt.claims import find_claim, has_value, text_of
from wsgate.site.jwt.key_file import KeyFile, key_file
from wsgate.site.jwt.key_url import KeyUrl
from wsgate.site.jwt.keys import Key
from wsgate.site.jwt.valid_token import BadToken, TokenCredential, ValidToken
from wsgate.site.jwt.verify import Rules, names_unknown_key, verify_with_key
from wsgate.site.tokens.source import SourceError
from wsgate.text.variables import encoded

_FOREVER = 1 << 40  # seconds of the wall clock


class SignedTokens(TokenCredential):
    """The tokens of one ``auth.jwt``, with the keys that verify them."""

    def __init__(self, settings: JwtAuth) -> None:
        super().__init__(settings)
        self._rules = Rules(settings.audience, settings.issuer, settings.leeway)
        self._context = present_context(settings.jwks_tls)
        self._present: frozenset[bytes] = frozenset()
        self._keys: KeyUrl | KeyFile
        if isinstance(settings.jwks, HttpUrl):
            context = self._context if settings.jwks.tls else None
            self._keys = KeyUrl(
                settings.jwks, settings.algorithms, settings.jwks_tls, context, settings.refresh, settings.timeout
            )
        else:
            self._keys = key_file(settings.key, settings.jwks, settings.algorithms)

    def load(self) -> Sequence[tuple[str, str]]:
        """Reads files. A URL is not asked here, because it may be available later."""
        try:
            if isinstance(self._keys, KeyFile):
                self._keys.load()
            else:
                self._context()
        except SourceError as error:
            return [("jwks" if self.settings.key is None else "key", str(error))]
        except CertificateError as error:
            return [(f"jwks_tls.{below}" if below else "jwks_tls", message) for below, message in error.faults]
        return ()

    async def run(self) -> None:
        if isinstance(self._keys, KeyUrl):
            await self._keys.run()

    async def check(self, token: str) -> ValidToken:
        keys = await self._keys.get()
        if isinstance(self._keys, KeyUrl) and names_unknown_key(token, keys):
            keys = await self._keys.get_newer()
        return self._valid(*verify_with_key(token, keys, self._rules))

    async def present(self) -> Container[object]:
        """Returns the fingerprints of the keys. Those of a URL are those that were read last."""
        keys = self._keys.known() if isinstance(self._keys, KeyUrl) else await self._keys.get()
        fingerprints = frozenset(key.fingerprint for key in keys)
        if fingerprints != self._present:
            self._present = fingerprints
        return self._present

    def _valid(self, claims: Mapping[str, Any], key: Key) -> ValidToken:
        for name in self.settings.require:
            if find_claim(claims, name) is None:
                raise BadToken(f"the token lacks the claim {name}")
        for name, value in self.settings.claims:
            if not has_value(claims, name, value):
                raise BadToken(f"the token's claim {name} is not what it must be")
        user = find_claim(claims, self.settings.user)
        fields = tuple(
            (name.encode(), encoded(text_of(value)).encode())
            for name, claim in self.settings.fields
            if (value := find_claim(claims, claim)) is not None
        )
        expires = None
        if self.settings.expire is Expire.CLOSE and claims.get("exp") is not None:
            expires = min(int(claims["exp"]), _FOREVER) + self.settings.leeway
        return ValidToken(None if user in (None, "") else text_of(user), fields, expires, key.fingerprint)
