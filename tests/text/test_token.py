from __future__ import annotations

import pytest

from wsgate.text.token import is_token


@pytest.mark.parametrize("value", [b"a", b"chat.v2", b"!#$%&'*+-.^_`|~09azAZ"])
def test_tokens(value: bytes) -> None:
    assert is_token(value)
    assert is_token(value.decode("latin-1"))


@pytest.mark.parametrize(
    "value",
    [b"", b" ", b"a b", b"a,b", b"a;b", b"a=b", b'"a"', b"a/b", b"a:b", b"(a)", b"<a>", b"a\n", b"\x7f", b"\xe9"],
)
def test_no_tokens(value: bytes) -> None:
    assert not is_token(value)
    assert not is_token(value.decode("latin-1"))


@pytest.mark.parametrize("text", ["é", "ａ", "\ud800"])
def test_other_alphabets_have_no_tokens(text: str) -> None:
    assert not is_token(text)
