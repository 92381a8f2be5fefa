"""The signature algorithms of JSON Web Tokens, by the kind of key.

RFC 7518 §3.1, RFC 8812 §3.2 and RFC 8037 §3.1.
"""

from __future__ import annotations

from collections.abc import Iterable

from wsgate.text.error import TextError, quote

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
EDDSA = ("EdDSA",)
HMAC = ("HS256", "HS384", "HS512")
ALGORITHMS = (*RSA, *CURVES.values(), *EDDSA, *HMAC)


def mixes_secrets(algorithms: Iterable[str]) -> bool:
    """Whether some are for shared secrets, and some for public keys: one might be taken for the other (RFC 8725
    §2.1)."""
    return len({name in HMAC for name in algorithms}) == 2


def signature_algorithm(text: str) -> str:
    """Returns ``text`` if it is a supported algorithm. Raises ``TextError`` when it is not, also for ``none``."""
    if text not in ALGORITHMS:
        raise TextError(f"is no signature algorithm that is known: write one of {', '.join(ALGORITHMS)}", quote(text))
    return text
