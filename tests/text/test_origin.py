import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.text.error import TextError
from wsgate.text.origin import matches, origin, origin_pattern


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.Example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("https://app.example:08443", "https://app.example:8443"),
        ("http://[0:0::1]:80", "http://[::1]"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("file://", "file://"),
        ("VSCode-webview://0A1b_2c", "vscode-webview://0a1b_2c"),
    ],
)
def test_the_normal_form(text: str, normal: str) -> None:
    assert origin(text) == normal
    assert origin(normal) == normal


@pytest.mark.parametrize(
    "text", ["", "null", "app.example", "https://a/", "https://a?b", "wss://a", "https://", "https://a:0x", "app://a b"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(TextError):
        origin(text)


@given(text=st.text() | st.text("htps:/.[]a1", max_size=20).map("http://{}".format))
def test_any_text_is_an_origin_or_none(text: str) -> None:
    """And a normal form is its own."""
    try:
        found = origin(text)
    except TextError:
        return
    assert origin(found) == found


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("HTTPS://*.Example.com:443", "https://*.example.com"),
        ("http://*.example.com:8080", "http://*.example.com:8080"),
        ("https://app.example", "https://app.example"),
        ("VSCode-webview://*", "vscode-webview://*"),
    ],
)
def test_a_pattern(text: str, normal: str) -> None:
    assert origin_pattern(text) == normal
    assert origin_pattern(normal) == normal


@pytest.mark.parametrize(
    "text",
    [
        *("*", "https://*", "http://*:80", "https://*.", "https://a.*.b", "https://*.*.b", "https://*a.b"),
        *("https://*.1.2.3", "https://*.10.0.0.1", "https://*.[::1]", "app://*.a", "https://*.a/", "wss://*.a"),
    ],
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(TextError):
        origin_pattern(text)


@given(text=st.text("ab.:/*", max_size=12).map("https://{}".format))
def test_a_pattern_matches_names_below_its_own(text: str) -> None:
    try:
        pattern = origin_pattern(text)
    except TextError:
        return
    if "*" in pattern:
        assert matches(pattern, pattern.replace("*", "one.label"))
        assert not matches(pattern, pattern.replace("*.", ""))
    else:
        assert matches(pattern, pattern)
