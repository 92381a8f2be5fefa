from __future__ import annotations

from wsgate.settings.model import JwtAuth
from wsgate.site.jwt.valid_token import TokenCredential, ValidToken


def test_a_credential_that_can_check_nothing() -> None:
    """``test_opening`` shows when it is made."""
    tokens = TokenCredential(JwtAuth(key="/key", algorithms=("ES256",), fields=(("X-Team", "team"),)), "it needs x")
    assert list(tokens.load()) == [("", "it needs x")]
    assert tokens.writes == [b"x-team"]
    assert ValidToken() == ValidToken(None, (), None)
