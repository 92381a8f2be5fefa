from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.text.error import TextError
from wsgate.text.field import field_value
from wsgate.text.variables import VARIABLES, check_variables, encoded, variables_in, with_values

LITERALS = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
PARTS = st.lists(st.one_of(LITERALS, st.sampled_from([f"{{{name}}}" for name in VARIABLES])), max_size=5)


@given(PARTS.map("".join), st.text())
def test_no_value_breaks_a_field(text: str, value: str) -> None:
    made = with_values(text, lambda name: value)
    assert field_value(made) == made
    assert not set(made) & set("\r\n\0")


@given(st.text(st.characters(codec="utf-8")))
def test_values_are_encoded_so_that_they_stay_different(value: str) -> None:
    made = encoded(value)
    assert made.isascii()
    assert made == made.strip()
    assert unquote(made, errors="strict") == value


def test_what_is_encoded() -> None:
    assert encoded("CN=worker 7,O=Example") == "CN=worker 7,O=Example"
    assert encoded("zoë\r\nX: 100% ") == "zo%C3%AB%0D%0AX: 100%25%20"
    assert encoded("\udcff") == "%ED%B3%BF"


@pytest.mark.parametrize(
    ("text", "names", "made"),
    [
        ("plain", [], "plain"),
        ("{user}", ["user"], "USER"),
        ("by {user}; from {address}", ["user", "address"], "by USER; from ADDRESS"),
        ('{"group": "a", "max_age": 7}', [], '{"group": "a", "max_age": 7}'),
        ("${user}", [], "${user}"),  # the file has $${user}
        ("{USER} {} {user", [], "{USER} {} {user"),
    ],
)
def test_variables(text: str, names: list[str], made: str) -> None:
    check_variables(text)
    assert variables_in(text) == names
    assert with_values(text, str.upper) == made


def test_a_variable_without_a_value() -> None:
    assert with_values("{user}", lambda name: "") == ""
    assert with_values("{user} x {user}", lambda name: "") == "x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{name}", "'{name}': {name} is none of {address}, {host}, {request_id}, {route}, {subject}, {user}"),
        ("a $remote_addr", "'a $remote_addr' has $remote_addr: here it is {address}"),
        ("%[src]", "'%[src]' has %[src]: here it is {address}"),
        ("{http.request.host}", "'{http.request.host}' has {http.request.host}: here it is {host}"),
    ],
)
def test_what_is_no_variable(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        check_variables(text)
    assert str(caught.value) == message
