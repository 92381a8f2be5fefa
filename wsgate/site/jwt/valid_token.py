"""What checking a signed token tells. Without PyJWT, which may be missing, so that all may import it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsgate.settings.model import JwtAuth
from wsgate.site.credential import Credential
from wsgate.site.tokens.source import SourceError
from wsgate.wire.headers import Headers


class BadToken(Exception):
    """A token is not valid. The message is for the log: it never has the token."""


@dataclass(frozen=True, slots=True)
class ValidToken:
    """What a valid token tells.

    user: ``None`` if it names none
    fields: for backends
    expires: until when it is valid, in seconds of the wall clock; ``None``: without end, or nobody cares
    key: the fingerprint of the key that has verified it
    """

    user: str | None = None
    fields: Headers = ()
    expires: float | None = None
    key: bytes | None = None


class TokenCredential(Credential):
    """The signed tokens of one ``auth.jwt``. This one can check none: ``signed_tokens`` makes those that can."""

    def __init__(self, settings: JwtAuth, fault: str = "") -> None:
        self.settings = settings
        self.writes = [name.lower().encode() for name, _ in settings.fields]
        self._fault = fault

    def load(self) -> Sequence[tuple[str, str]]:
        return [("", self._fault)] if self._fault else []

    async def check(self, token: str) -> ValidToken:
        """Returns what a token tells. The caller bounds the time.

        Raises ``BadToken`` when it is not valid, ``SourceError`` when it cannot be checked.
        """
        raise SourceError(self._fault)
