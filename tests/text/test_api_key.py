from __future__ import annotations

import hashlib

import pytest

from wsgate.text.api_key import ApiKeyLine, api_key_line
from wsgate.text.error import TextError

DIGEST = hashlib.sha256(b"sesame").digest()
CURE = "write name:hash, with the 64 hexadecimal digits that sha256sum prints for the key"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"ann:{DIGEST.hex()}", "ann"),
        (f"ann:{DIGEST.hex().upper()}", "ann"),
        (f"a b:c:{DIGEST.hex()}", "a b:c"),
        (f"Zo\u00eb:{DIGEST.hex()}", "Zo\u00eb"),
    ],
)
def test_a_name_and_a_hash(line: str, name: str) -> None:
    assert api_key_line(line) == ApiKeyLine(name, DIGEST)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("sesame", f"this is not name:hash: {CURE}"),
        (f":{DIGEST.hex()}", f"this is not name:hash: {CURE}"),
        (f"a\x01b:{DIGEST.hex()}", f"this is not name:hash: {CURE}"),
        ("ann:sesame", f"this has no SHA-256 behind the colon: {CURE}"),
        (f"ann:{DIGEST.hex()[1:]}", f"this has no SHA-256 behind the colon: {CURE}"),
        (f"{DIGEST.hex()}:ann", f"this has no SHA-256 behind the colon: {CURE}"),
        (f"ann:{DIGEST.hex()}  -", f"this has no SHA-256 behind the colon: {CURE}"),
    ],
)
def test_any_other_line_is_named_without_its_text(line: str, problem: str) -> None:
    with pytest.raises(TextError) as caught:
        api_key_line(line)
    assert str(caught.value) == problem
    assert "sesame" not in problem
