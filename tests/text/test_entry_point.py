from __future__ import annotations

import pytest

from wsgate.text.entry_point import module_and_name
from wsgate.text.error import TextError


@pytest.mark.parametrize(
    ("text", "expected"), [("a:b", ("a", "b")), ("a.b_1:C.d", ("a.b_1", "C.d")), ("_a:_b", ("_a", "_b"))]
)
def test_a_module_and_a_name_in_it(text: str, expected: tuple[str, str]) -> None:
    assert module_and_name(text) == expected


@pytest.mark.parametrize(
    "text", ["", "a", "a.b", "a:", ":b", "a:b:c", "a..b:c", "1a:b", "a:b()", "a:b\n", "ä:b", "a/b:c"]
)
def test_other_texts_name_no_object(text: str) -> None:
    with pytest.raises(TextError) as caught:
        module_and_name(text)
    assert str(caught.value) == f"{text!r} is no name of a Python object: write package.module:name"
