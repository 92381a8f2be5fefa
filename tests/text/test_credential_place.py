from __future__ import annotations

import pytest

from wsgate.text.credential_place import EXPECTED, kind_and_name
from wsgate.text.error import TextError

NO_PREFIX = "no prefix of a subprotocol behind the colon: write subprotocol:bearer., for example"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("header:X-Api-Key", ("header", "x-api-key")),
        ("query:Key", ("query", "Key")),
        ("cookie:Sid", ("cookie", "Sid")),
        ("subprotocol:Bearer.", ("subprotocol", "Bearer.")),
        ("subprotocol:a:b", ("subprotocol", "a:b")),
    ],
)
def test_places(text: str, expected: tuple[str, str]) -> None:
    assert kind_and_name(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"'' is no place of a credential: write {EXPECTED}"),
        ("path", f"'path' is no place of a credential: write {EXPECTED}"),
        ("header", "'header' has no header's name behind the colon: write header:X-Api-Key, for example"),
        ("header:a b", "'header:a b' has no header's name behind the colon: write header:X-Api-Key, for example"),
        ("query:a=b", "'query:a=b' has no query's name behind the colon: write query:access_token, for example"),
        ("cookie:", "'cookie:' has no cookie's name behind the colon: write cookie:session, for example"),
        ("subprotocol:a,b", f"'subprotocol:a,b' has {NO_PREFIX}"),
        ("subprotocol:\u00e4", f"'subprotocol:\u00e4' has {NO_PREFIX}"),
    ],
)
def test_other_texts(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        kind_and_name(text)
    assert str(caught.value) == message
