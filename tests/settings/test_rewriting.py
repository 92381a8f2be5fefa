from __future__ import annotations

from collections.abc import Callable

import pytest

from wsgate.settings.rewriting import new_prefix, path_prefix, rewrite_target, stripped_prefix
from wsgate.text.error import TextError

ENCODE = "percent-encode what is not a letter, digit or one of -._~/"


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (path_prefix, "/chat", "/chat"),
        (path_prefix, "/chat/", "/chat"),
        (path_prefix, "//%63hat/./caf%c3%a9", "/chat/caf%C3%A9"),
        (path_prefix, "/", ""),
        (stripped_prefix, "/a/b/", "/a/b"),
        (new_prefix, "/a%2fb//c/", "/a%2fb//c"),
        (new_prefix, "/", ""),
        (rewrite_target, "/", "/"),
        (rewrite_target, "{path}", "{path}"),
        (rewrite_target, "/rooms/{room}/{2}{query}", "/rooms/{room}/{2}"),
        (rewrite_target, "/a%2Fb/{rest}", "/a%2Fb/{rest}"),
    ],
)
def test_values(parse: Callable[[str], str], text: str, value: str) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (path_prefix, "chat", "'chat' does not begin with a slash: write '/chat'"),
        (path_prefix, "/chat/*", "'/chat/*' is no prefix: write '/chat'"),
        (path_prefix, "/*", "'/*' is no prefix: write '/'"),
        (path_prefix, "~/d/(.*)", "'~/d/(.*)' is no prefix: for a regular expression write rewrite: {to: '/{1}'}"),
        (path_prefix, "/a b", f"'/a b' is not a URL path: {ENCODE}"),
        (path_prefix, "/a?b", f"'/a?b' is not a URL path: {ENCODE}"),
        (path_prefix, "/a\r\n", f"'/a\\r\\n' is not a URL path: {ENCODE}"),
        (stripped_prefix, "/", "'/' removes nothing, every path begins with it: write a prefix like /chat"),
        (stripped_prefix, "/a/..", "'/a/..' removes nothing, every path begins with it: write a prefix like /chat"),
        (new_prefix, "/a/%2e./b", "'/a/%2e./b' has dot segments: write where they lead, /b"),
        (rewrite_target, "", "'' does not begin with a slash: write '/'"),
        (rewrite_target, "x", "'x' does not begin with a slash: write '/x'"),
        (rewrite_target, "{rest}", "'{rest}' does not begin with a slash: write '/{rest}'"),
        (rewrite_target, "ws://h/{rest}", "'ws://h/{rest}' is a URL: write the path alone, hosts are in relay.to"),
        (rewrite_target, "/a?x=1", "'/a?x=1' has a query: remove it, the query of each request is kept"),
        (rewrite_target, "/{query}/x", "'/{query}/x' has a query: remove it, the query of each request is kept"),
        (rewrite_target, "/a#b", "'/a#b' has a query: remove it, the query of each request is kept"),
        (rewrite_target, "/{room", f"'/{{room': {ENCODE}"),
        (rewrite_target, "/{0}", f"'/{{0}}': {ENCODE}"),
        (rewrite_target, "/%{1}", f"'/%{{1}}': {ENCODE}"),
        (rewrite_target, "/a\r\nX: y", f"'/a\\r\\nX: y': {ENCODE}"),
        (rewrite_target, "/a/../{1}", "'/a/../{1}' has dot segments: write where they lead"),
        (rewrite_target, "/a%2f..", "'/a%2f..' has dot segments: write where they lead"),
        (rewrite_target, "/rooms/$1", "'/rooms/$1' has $1: here it is {1}"),
        (rewrite_target, r"/rooms/\2", r"'/rooms/\\2' has \2: here it is {2}"),
        (rewrite_target, "/rooms${1}", "'/rooms${1}' has ${1}: here it is {1}"),
        (rewrite_target, "/app$uri", "'/app$uri' has $uri: here it is {path}"),
        (rewrite_target, "/app{uri}", "'/app{uri}' has {uri}: here it is {path}"),
    ],
)
def test_what_is_wrong(parse: Callable[[str], str], text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        parse(text)
    assert str(caught.value) == message
