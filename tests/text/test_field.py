from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.text.error import TextError
from wsgate.text.field import field_name, field_value


@pytest.mark.parametrize("name", ["X-Frame-Options", "x_y", "Server"])
def test_names(name: str) -> None:
    assert field_name(name) == name


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\n", "Ü"])
def test_other_texts_are_no_names(name: str) -> None:
    with pytest.raises(TextError) as caught:
        field_name(name)
    assert str(caught.value) == f"{name!r} is not the name of a header field: use letters, digits and '-'"


@pytest.mark.parametrize("value", ["", "a", "a\tb", "é", "a, b"])
def test_values(value: str) -> None:
    assert field_value(value) == value


@pytest.mark.parametrize("value", [" a", "a ", "a\r\nb: c", "a\0", "\x7f", "€"])
def test_other_texts_are_no_values(value: str) -> None:
    with pytest.raises(TextError, match="is not the value of a header field"):
        field_value(value)


@given(name=st.text(), value=st.text())
def test_a_field_that_is_taken_is_one_field(name: str, value: str) -> None:
    try:
        line = f"{field_name(name)}: {field_value(value)}".encode("latin-1")
    except TextError:
        return
    assert not any(byte < 32 and byte != 9 for byte in line)
    assert line.decode("latin-1").partition(": ") == (name, ": ", value)
