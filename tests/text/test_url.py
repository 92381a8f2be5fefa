from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.text.paths import has_bad_escape, normal
from wsgate.text.url import is_path, is_query


@pytest.mark.parametrize("text", ["/", "/a/b", "//", "/%C3%A9;a=b,c@d:e//~", "/.."])
def test_paths(text: str) -> None:
    assert is_path(text)


@pytest.mark.parametrize("text", ["", "a", "/a b", "/%z1", "/%", "/é", "/a?b", "/a#b", "/a\n", "/{a}", "/a\\b"])
def test_other_texts_are_no_paths(text: str) -> None:
    assert not is_path(text)


@pytest.mark.parametrize("text", ["", "a=b&c=%20", "/?", "a+b"])
def test_queries(text: str) -> None:
    assert is_query(text)


@pytest.mark.parametrize("text", ["a b", "%", "#", "é", "{a}", "a\n"])
def test_other_texts_are_no_queries(text: str) -> None:
    assert not is_query(text)


@given(st.text('/a%2fF.~b"<', max_size=20))
def test_the_normal_form_of_a_path_is_a_path(text: str) -> None:
    form = normal(b"/" + text.encode())
    assert is_path(form) == (not has_bad_escape(form))
