"""Verifies a signed token: its form, its signature, its times, whom it is from, and whom it is for.

The signature is checked before anything that the token says is believed. A check takes up to a millisecond of CPU: less
than a thread would delay it. So it runs where it is called, and the number of keys that are tried is bounded.

Encrypted tokens (JWE) are not accepted: everyone with the key that encrypts can make them, so they prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from wsgate.site.jwt.keys import Key
from wsgate.site.jwt.valid_token import BadToken
from wsgate.text.jwt import ALGORITHMS

LEEWAY = 10.0  # seconds that the clocks of two machines may differ
MAX_TOKEN = 8 << 10  # characters
MAX_TRIED = 8  # keys that a token is checked with: one that names its key needs only one

# RFC 7515 §7.1: three parts in base64url without padding. PyJWT ignores other characters
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.InvalidIssuerError, "the token is from another issuer"),
    (jwt.InvalidSignatureError, "the token's signature does not match"),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a token must claim.

    audience: one of these; any if empty
    issuer: this one; any if ``None``
    leeway: seconds by which its times may be exceeded
    heeds_iat: a token from the future is not valid
    """

    audience: Sequence[str] = ()
    issuer: str | None = None
    leeway: float = LEEWAY
    heeds_iat: bool = True


def names_unknown_key(token: str, keys: Sequence[Key]) -> bool:
    """Whether the token is for a key (``kid``) that is not among ``keys``. Keys without a name may be any."""
    kid = _read_header(token).get("kid")
    return kid is not None and all(key.kid is not None and key.kid != kid for key in keys)


def verify(token: str, keys: Sequence[Key], rules: Rules) -> dict[str, Any]:
    """Returns the claims of a token. Raises ``BadToken`` when it is not valid."""
    return verify_with_key(token, keys, rules)[0]


def verify_with_key(token: str, keys: Sequence[Key], rules: Rules) -> tuple[dict[str, Any], Key]:
    """Returns the claims of a token, and the key that has verified it. Raises ``BadToken`` when it is not valid."""
    header = _read_header(token)
    algorithm = str(header.get("alg"))
    shown = algorithm if algorithm in ALGORITHMS else "unknown"
    reason = f"no key here verifies the token's algorithm ({shown})"
    for key in _candidates(keys, header.get("kid"), algorithm):
        try:
            return _decode(token, key, algorithm, rules), key
        except jwt.InvalidSignatureError:
            reason = "the token's signature does not match"
        except jwt.MissingRequiredClaimError as error:
            raise BadToken(f"the token lacks the claim {error.claim}") from None
        except jwt.PyJWTError as error:
            raise BadToken(_words(error)) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise BadToken("the token is no JWT") from None
    raise BadToken(reason)


def _read_header(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN:
        raise BadToken(f"a token of {len(token)} characters: {MAX_TOKEN} is the most")
    if token.count(".") == 4:  # RFC 7516 §3.1
        raise BadToken("the token is encrypted (JWE): only signed ones (JWS) are taken")
    if not _FORM.fullmatch(token):
        raise BadToken("the token is no JWT")
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise BadToken("the token is no JWT") from None


def _candidates(keys: Sequence[Key], kid: object, algorithm: str) -> Sequence[Key]:
    """Returns the keys with the token's ``kid`` that fit; if none has it, all that fit: it is a hint (RFC 7515 §4.1.4).

    Raises ``BadToken`` if these are too many.
    """
    named = [key for key in keys if kid is not None and key.kid == kid]
    fit = [key for key in named or keys if algorithm in key.algorithms]
    if len(fit) > MAX_TRIED:
        raise BadToken(f"the token does not name its key (kid), and {len(fit)} keys fit")
    return fit


def _decode(token: str, key: Key, algorithm: str, rules: Rules) -> dict[str, Any]:
    # Other claims are ignored
    options: Any = {"verify_iat": rules.heeds_iat, "verify_sub": False, "verify_jti": False}
    options["verify_aud"] = bool(rules.audience)
    decoded: dict[str, Any] = jwt.decode(
        token,
        key.value,
        algorithms=[algorithm],
        audience=rules.audience or None,
        issuer=rules.issuer,
        leeway=rules.leeway,
        options=options,
    )
    return decoded


def _words(error: jwt.PyJWTError) -> str:
    return next((words for kind, words in _REASONS if isinstance(error, kind)), "the token is no JWT")
