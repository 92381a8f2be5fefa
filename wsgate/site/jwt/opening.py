"""Opens what verifies signed tokens, if the libraries for it are installed."""

from __future__ import annotations

from wsgate.settings.model import JwtAuth
from wsgate.site.jwt.valid_token import TokenCredential
from wsgate.site.machine import is_installed

_NEEDS = {"jwt": "PyJWT", "cryptography": "cryptography"}  # modules, and what they are installed as


def missing_for_jwt() -> str:
    """Returns what is missing on this machine, and what to do; empty if nothing is."""
    missing = [name for module, name in _NEEDS.items() if not is_installed(module)]
    return f"it needs {' and '.join(missing)}, not installed here: pip install 'wsgate[jwt]'" if missing else ""


def signed_tokens(settings: JwtAuth) -> TokenCredential:
    """Returns what checks the tokens of an ``auth.jwt``. Call it in a thread, for it may import modules."""
    if fault := missing_for_jwt():
        return TokenCredential(settings, fault)
    if (settings.key is None) is (settings.jwks is None):  # a fault of the settings, which is reported already
        return TokenCredential(settings)
    from wsgate.site.jwt.credential import SignedTokens

    return SignedTokens(settings)
