from typing import Any

import pytest

from wsgate.settings import model
from wsgate.settings.cures import LIKE_OFF, explain, list_meant, listed, mapping_meant, secret_key, show_node
from wsgate.settings.nodes import Mapping, Node, Scalar, compose
from wsgate.settings.scalars import SCALARS
from wsgate.text.error import TextError


def value(text: str) -> Node:
    """The value of a key in a file that has no other key."""
    root = compose(f"key: {text}", "f")
    assert isinstance(root, Mapping)
    return root.items[1]


def scalar(text: str) -> Scalar:
    node = value(text)
    assert isinstance(node, Scalar)
    return node


@pytest.mark.parametrize(
    ("hint", "text", "message"),
    [
        (model.Count, "many", "the parser's own words"),
        (model.Count, "'5;'", "'5;' has more than its value: write '5'"),
        (model.RouteName, "\"'chat'\"", "\"'chat'\" has more than its value: write 'chat'"),
        (
            model.Count,
            "$SESSIONS",
            "'$SESSIONS' does not fit here; a value of the environment is written with braces: ${SESSIONS}",
        ),
        (
            model.WebSocketUrl,
            "ws://a:$B@c",
            "this does not fit here; a value of the environment is written with braces: ${B}",
        ),
        (model.Credential, "$USERS", "the parser's own words"),
    ],
)
def test_a_text_that_is_no_value(hint: Any, text: str, message: str) -> None:
    assert explain(TextError("the parser's own words"), SCALARS[hint], scalar(text)) == message


def test_a_value_of_the_environment_is_not_shown() -> None:
    expanded = scalar("${SESSIONS}").expanded("many", is_secret=True)
    message = explain(TextError("found 'many'"), SCALARS[model.Count], expanded)
    assert message == "with the environment's value, '${SESSIONS}' does not fit here: expected a number of 1 or more"


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("", "write at least one item below it, which begins with '- bind: '"),
        (
            "\n  public: {bind: '[::]:80'}",
            "write what is under 'public' as an item of it, which begins with '- bind: '",
        ),
        ("{bind: '[::]:80'}", "put its braces in brackets, like [{bind: …}]"),
        ("\n  bind: '[::]:80'", "write '- ' before its first key, '- bind: ', and the other keys below that one"),
        ("127.0.0.1:80", "begin each item with '- '; write {bind: 127.0.0.1:80}"),
        ("[]", "begin each item with '- '"),
    ],
)
def test_a_list_that_is_none(text: str, cure: str) -> None:
    assert list_meant(model.Listener, value(text)) == cure


@pytest.mark.parametrize(
    ("cls", "text", "cure"),
    [
        (model.Timeouts, "30", "; write it like {idle: 30s}"),
        (model.Timeouts, "idle", "; write a mapping, like {idle: …}"),
        (model.Timeouts, "idle:30s", "; write a blank behind the colon: 'idle: 30s'"),
        (model.Timeouts, "true", ""),
        (model.Timeouts, "off", ""),
        (model.Timeouts, "[]", ""),
        (model.Timeouts, "soon", ""),
        (model.Tunnel, "vnc:5900", "; write it like {to: tcp://vnc:5900}"),
        (model.Tunnel, "vnc", "; its address belongs under the key to"),
        (model.Files, "'a, b'", ""),
    ],
)
def test_a_mapping_that_is_none(cls: type, text: str, cure: str) -> None:
    assert mapping_meant(cls, value(text)) == cure


@pytest.mark.parametrize("text", ["-1", "0", "0s", "none", "Never", "disable", "unlimited", "infinity"])
def test_other_programs_words_for_off(text: str) -> None:
    assert LIKE_OFF.fullmatch(text)


def test_secrets_are_not_shown() -> None:
    assert secret_key(model.Basic) == "users"
    assert secret_key(model.Timeouts) is None
    assert show_node(scalar("ann:{PLAIN}a"), SCALARS[model.Credential]) == "this"
    assert show_node(scalar("many"), SCALARS[model.Count]) == "'many'"


def test_names_are_listed() -> None:
    assert listed(["a", "b"]) == "a, b"
