"""``jwt``: signed tokens that carry their target in the claims ``host`` and ``port``, or ``unix_socket`` (RFC 7519).

Encrypted tokens (JWE) are not accepted: everyone with the key that encrypts can make them, so they prove nothing.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import jwt
import trio
from jwt.warnings import InsecureKeyLengthWarning

from wsgate.events.emit import emit
from wsgate.settings.model import Jwt
from wsgate.site.tokens.fresh import Fresh
from wsgate.site.tokens.keys import Key, read_key, read_key_set
from wsgate.site.tokens.memory import Memory
from wsgate.site.tokens.source import Local, NoTarget, SourceError
from wsgate.site.tokens.values import Targets, from_object
from wsgate.text.jwt import ALGORITHMS

LEEWAY = 10.0  # seconds that the clocks of two machines may differ
_MAX_SIZE = 1 << 20  # bytes of a file with keys

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.InvalidIssuerError, "the token is from another issuer"),
    (jwt.InvalidSignatureError, "the token's signature does not match"),
    (jwt.MissingRequiredClaimError, "the token lacks a claim that it must have"),
)


class JwtSource(Local):
    """Verifies signed tokens. Raises ``SourceError`` when the keys cannot be used."""

    def __init__(self, settings: Jwt, tls: bool) -> None:
        super().__init__()
        self._settings = settings
        self._tls = tls
        read, path, key = (
            (read_key, settings.key, "jwt.key")
            if settings.key is not None
            else (read_key_set, settings.jwks, "jwt.jwks")
        )
        assert path is not None
        self._keys = Memory(Fresh(path, lambda data: read(data, settings.algorithms), _MAX_SIZE).get)
        try:
            keys = self._keys.look()
        except SourceError as error:
            raise SourceError(str(error), key=key) from None
        warnings.filterwarnings(
            "ignore", category=InsecureKeyLengthWarning
        )  # PyJWT warns for every token; we log it once
        for reason in {key.weak for key in keys if key.weak}:
            emit(logging.WARNING, "token key is weak", file=path, reason=reason)

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
        if token.count(".") == 4:  # RFC 7516 §3.1
            raise NoTarget("the token is encrypted (JWE): only signed ones (JWS) are taken")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise NoTarget("the token is no JWT") from None
        claims = self._verify(token, header, keys)
        try:
            return from_object(claims, self._tls)
        except ValueError as error:
            raise NoTarget(f"the token is valid, but what it claims as host and port {error}") from None

    def _verify(self, token: str, header: dict[str, Any], keys: tuple[Key, ...]) -> dict[str, Any]:
        algorithm = str(header.get("alg"))
        reason = f"no key here verifies the token's algorithm ({algorithm if algorithm in ALGORITHMS else 'unknown'})"
        for key in _candidates(keys, header.get("kid")):
            if algorithm in key.algorithms:
                try:
                    return self._decode(token, key.value, algorithm)
                except jwt.PyJWTError as error:
                    reason = next((words for kind, words in _REASONS if isinstance(error, kind)), "the token is no JWT")
                    if not isinstance(error, jwt.InvalidSignatureError):  # the signature is of this key
                        break
                except (ValueError, TypeError, RecursionError):
                    reason = "the token is no JWT"
        raise NoTarget(reason)

    def _decode(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        settings = self._settings
        # Other claims are ignored
        options: Any = {"verify_iat": False, "verify_sub": False, "verify_jti": False}
        options["verify_aud"] = settings.audience is not None
        decoded: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=settings.audience,
            issuer=settings.issuer,
            leeway=LEEWAY,
            options=options,
        )
        return decoded


def _candidates(keys: tuple[Key, ...], kid: object) -> Iterator[Key]:
    """Yields the keys with the token's ``kid``; all keys if it has none or an unknown one."""
    named = [key for key in keys if kid is not None and key.kid == kid]
    yield from named or keys
