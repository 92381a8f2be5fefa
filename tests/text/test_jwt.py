from __future__ import annotations

import pytest

from wsgate.text.error import TextError
from wsgate.text.jwt import ALGORITHMS, mixes_secrets, signature_algorithm


@pytest.mark.parametrize("name", ALGORITHMS)
def test_algorithms_that_a_library_verifies(name: str) -> None:
    jwt = pytest.importorskip("jwt")
    assert signature_algorithm(name) == name
    assert name in jwt.algorithms.get_default_algorithms()


@pytest.mark.parametrize("name", ["", "none", "None", "rs256", "RS1", "dir", "A128KW"])
def test_any_other_is_refused(name: str) -> None:
    with pytest.raises(TextError) as caught:
        signature_algorithm(name)
    listed = ", ".join(ALGORITHMS)
    assert str(caught.value) == f"{name!r} is no signature algorithm that is known: write one of {listed}"


def test_secrets_and_public_keys_are_not_mixed() -> None:
    assert mixes_secrets(["RS256", "HS256"])
    assert not mixes_secrets(["HS256", "HS512"])
    assert not mixes_secrets(["RS256", "ES256", "EdDSA"])
    assert not mixes_secrets([])
