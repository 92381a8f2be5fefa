import pytest

from wsgate.settings.other_paths import path_meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("= /chat", "'/chat'"),
        ("=/chat", "'/chat'"),
        ("^~ /chat", "'/chat/*'"),
        ("^~ /chat/", "'/chat/*'"),
        ("Path(`/chat`)", "'/chat'"),
        ("PathPrefix('/chat/')", "'/chat/*'"),
        ("wss://example.com/chat", "'/chat', and the host under host"),
        ("/chat/.*", "'/chat/*'"),
        ("/chat/.*$", "'/chat/*'"),
        ("/chat*", "'/chat' for this path alone, '/chat/*' for all below it, or '~^/chat'"),
        ("/chat/{id}", "'~^/chat/[^/]+$'"),
        ("/{a}/x/{b}", "'~^/[^/]+/x/[^/]+$'"),
    ],
)
def test_paths_of_others(text: str, meant: str) -> None:
    assert path_meant(text) == meant


@pytest.mark.parametrize(
    "text", ["/chat", "/chat/*", "/", "/*", "chat", "^/chat/.*$", "/chat/**", "/a/*/b", "~^/x", ""]
)
def test_what_is_none_of_them(text: str) -> None:
    assert path_meant(text) is None
