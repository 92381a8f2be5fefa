from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.admin import answering
from wsgate.commands.admin_client import AdminClient, AskError, client_from


def test_a_question(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\nmore\n")
    with answering((200, {"total": 0}), (200, {})) as api:
        client = AdminClient(api.address, str(token))
        assert client.ask("GET", "sessions", {"q": "a b&c"}) == {"total": 0}
        assert client.ask("POST", "drain", body={"x": 1}) == {}
    assert api.requests == [
        ("GET", "/api/v1/sessions?q=a+b%26c", None, "Bearer secret"),
        ("POST", "/api/v1/drain", {"x": 1}, "Bearer secret"),
    ]


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (400, {"error": "sort is odd"}, "sort is odd"),
        (
            401,
            {"error": "a token is needed"},
            "a token is needed; --token-file or WSGATE_ADMIN_TOKEN_FILE name the file",
        ),
        (200, b"<html>", "answered 200: <html>"),
        (200, [1], "answered 200: [1]"),
        (502, b"", "answered 502: nothing"),
    ],
)
def test_an_answer_that_is_none(status: int, answer: object, message: str) -> None:
    with answering((status, answer)) as api, pytest.raises(AskError) as caught:
        AdminClient(api.address).ask("GET", "status")
    assert message in str(caught.value)


def test_a_gateway_that_is_not_there(tmp_path: Path) -> None:
    for address, why in (
        ("http://127.0.0.1:1", "Connection refused"),
        (f"unix:{tmp_path}/none.sock", "No such file or directory"),
    ):
        with pytest.raises(AskError) as caught:
            AdminClient(address).ask("GET", "status")
        assert str(caught.value).startswith(f"no answer from {address}: {why}: is it running")


@pytest.mark.parametrize("address", ["127.0.0.1:9600", "https://a", "http://", "http://a:x", "ftp://a"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(AskError, match="is no address"):
        AdminClient(address).ask("GET", "status")


def test_a_token_that_cannot_be_shown(tmp_path: Path) -> None:
    for content, why in ((None, "cannot be read"), ("\n", "has no token"), ("a\x07b", "has no token")):
        file = tmp_path / "token"
        if content is not None:
            file.write_text(content)
        with pytest.raises(AskError, match=why):
            AdminClient("http://127.0.0.1:1", str(file)).ask("GET", "status")


def test_where_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSGATE_ADMIN", raising=False)
    monkeypatch.delenv("WSGATE_ADMIN_TOKEN_FILE", raising=False)
    assert client_from(None, None) == AdminClient("http://127.0.0.1:9600")
    monkeypatch.setenv("WSGATE_ADMIN", "unix:/a")
    monkeypatch.setenv("WSGATE_ADMIN_TOKEN_FILE", "/t")
    assert client_from(None, None) == AdminClient("unix:/a", "/t")
    assert client_from("http://b/", "/u") == AdminClient("http://b", "/u")
