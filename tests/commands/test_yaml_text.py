from __future__ import annotations

from wsgate.commands.yaml_text import PlainWord, write


def test_it_looks_handwritten() -> None:
    """A mapping or list of short values is on one line; what has a colon has a line of its own, without quotes."""
    settings = {
        "listeners": [{"bind": "0.0.0.0:80"}],
        "log": {"format": "text", "level": "debug"},
        "workers": PlainWord("2"),
        "heartbeat": PlainWord("off"),
        "word": "off",
        "text": "${NAME}",
    }
    assert write(settings) == (
        "listeners:\n"
        "  - bind: 0.0.0.0:80\n"
        "log: {format: text, level: debug}\n"
        "workers: 2\n"
        "heartbeat: off\n"
        "word: 'off'\n"
        "text: $${NAME}\n"
    )


def test_what_comes_twice_is_written_twice() -> None:
    both = ["a:b"]
    assert write({"x": both, "y": both}) == "x:\n  - a:b\ny:\n  - a:b\n"
