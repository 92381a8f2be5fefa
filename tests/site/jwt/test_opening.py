"""What verifies tokens here; ``tests/site/tokens/test_jwt.py`` has what is said without PyJWT."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.site.jwt.signing import public_pem, write
from wsgate.settings.model import JwtAuth
from wsgate.site.jwt import opening
from wsgate.site.jwt.credential import SignedTokens
from wsgate.site.jwt.opening import missing_for_jwt, signed_tokens
from wsgate.site.tokens.source import SourceError


def test_with_the_libraries(tmp_path: Path) -> None:
    tokens = signed_tokens(JwtAuth(key=write(tmp_path / "key", public_pem("P256")), algorithms=("ES256",)))
    assert isinstance(tokens, SignedTokens)
    assert list(tokens.load()) == []
    assert missing_for_jwt() == ""


async def test_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "is_installed", lambda module: module != "jwt")
    tokens = signed_tokens(JwtAuth(key="/key", algorithms=("ES256",), fields=(("X-Team", "team"),)))
    said = "it needs PyJWT, not installed here: pip install 'wsgate[jwt]'"
    assert list(tokens.load()) == [("", said)]
    assert tokens.writes == [b"x-team"]
    with pytest.raises(SourceError, match="it needs PyJWT"):
        await tokens.check("x")


def test_settings_with_a_fault() -> None:
    """It is reported already."""
    assert list(signed_tokens(JwtAuth(algorithms=("ES256",))).load()) == []
