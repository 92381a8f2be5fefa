"""The messages for broken YAML, with both parsers; ``test_nodes`` has the places."""

import pytest
import yaml

from wsgate.settings import nodes
from wsgate.settings.nodes import compose
from wsgate.settings.problem import ConfigError

LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


def said(text: str, loader: object, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(nodes, "Loader", loader)
    with pytest.raises(ConfigError) as caught:
        compose(text, "f")
    return caught.value.problems[0].message.removeprefix("not valid YAML: ")


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a: {path: ~/x[0-9]+}", "~/x[0-9]+"),
        ("a: {path: ~^/x{2}$, b: c}", "~^/x{2}$"),
        ("a: {b: c, path: ~/x/(a|b)[0-9], z: 1}", "~/x/(a|b)[0-9]"),
        ("a: [~/x[0-9]+]", "~/x[0-9]+"),
        ("a: {to: ${X}}", "${X}"),
        ("a: {to: ${X:-y}}", "${X:-y}"),
        ("a: {to: 'x', b: ws://${HOST}:${PORT}/x}", "ws://${HOST}:${PORT}/x"),
        ("a: {url: http://x/{token}}", "http://x/{token}"),
        ("a: {to: ${X}\n", "${X}"),
        ("a: [10.0.0.0/8, ${X}]", "${X}"),
    ],
)
def test_a_text_with_brackets_in_it_is_to_be_quoted(
    text: str, quoted: str, loader: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    bracket = "[" if "[" in quoted else "{"
    expected = f"within braces or brackets, a text with {bracket} in it must be in quotes: '{quoted}'"
    assert said(text, loader, monkeypatch) == expected


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a:\n\tb: c", "YAML is indented with spaces; this is a tab"),
        ("a: b\n\tc: d", "YAML is indented with spaces; this is a tab"),
        ("a: {b: c", "the { at 1:4 has no end"),
        ("a: [b, c\n\n", "the [ at 1:4 has no end"),
        ('a:\n  - "b\n', "the quote that begins at 2:5 has no end"),
        ("- a: 1\n b: 2", "; look at this line's indentation and quotes"),
        ("a:\n  - b: {c: d}\n   - e: f", "; look at this line's indentation and quotes"),
        ("a: 'it's'", "; look at this line's indentation and quotes"),
        ("{a: b]", "(while parsing a flow mapping, which begins at 1:1)"),
        ("[", "which begins at"),
        ("a: 1\n  b: 2", "look at the indentation, and put a text with ': ' in it in quotes"),
    ],
)
def test_the_words_are_for_who_wrote_it(text: str, words: str, loader: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(text, loader, monkeypatch).endswith(words) or words in said(text, loader, monkeypatch)
