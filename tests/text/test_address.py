from __future__ import annotations

import pytest

from wsgate.settings.addresses import tunnel_target
from wsgate.site.tokens.values import target
from wsgate.text.address import host_and_port, unix_path
from wsgate.text.error import TextError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A:80", ("a", "80")),
        ("a", ("a", None)),
        ("a:", ("a", "")),
        ("a:b", ("a", "b")),
        ("[::1]:80", ("::1", "80")),
        ("[::1]", ("::1", None)),
    ],
)
def test_a_host_and_what_stands_for_its_port(text: str, expected: tuple[str, str | None]) -> None:
    assert host_and_port(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (":80", "is missing"),
        ("::1:80", "has more than one colon: write an IPv6 address in brackets, '[::1]:8080'"),
        ("[::1]80", "is not an address: with brackets it is '[::1]:8080'"),
        ("[::1", "is not an address: with brackets it is '[::1]:8080'"),
        ("[a]:80", "is not an IPv6 address"),
    ],
)
def test_other_texts_are_no_address(text: str, problem: str) -> None:
    with pytest.raises(TextError) as caught:
        host_and_port(text)
    assert caught.value.problem == problem


@pytest.mark.parametrize("path", ["/a", "/run/ü.sock", "/run/a//b", "/" + "x" * 106])
def test_paths_of_unix_sockets(path: str) -> None:
    assert unix_path(path) == path


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        *((path, "is not unix: and the absolute path of a socket") for path in ("", "a", "/", "///", "/a/", "//a")),
        ("/a\0b", "has a zero byte in it"),
        ("/\ud800", "has half a character in it"),
        ("/" + "é" * 54, "is 109 bytes long; a Unix socket's has 107 at most"),
    ],
)
def test_other_paths_are_no_unix_sockets_in_the_file_or_from_a_token(path: str, problem: str) -> None:
    with pytest.raises(TextError) as caught:
        unix_path(path)
    assert caught.value.problem == problem
    with pytest.raises(TextError) as in_file:
        tunnel_target(f"unix:{path}")
    assert in_file.value.problem == problem
    with pytest.raises(ValueError, match=r"^has a Unix socket that") as from_token:
        target(f"unix_socket:{path}", False)
    assert problem in str(from_token.value)
