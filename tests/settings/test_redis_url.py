"""The URL of a Redis server, and the password in it."""

from __future__ import annotations

from typing import Any

import pytest

from wsgate.settings.model import RedisUrl, TcpAddress
from wsgate.settings.redis_url import redis_url
from wsgate.text.error import TextError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://a", {}),
        ("redis://a:7000/5", {"address": TcpAddress("a", 7000), "database": 5}),
        ("rediss://[::1]/", {"tls": True, "address": TcpAddress("::1", 6379)}),
        ("redis://:p%40ss@a", {"password": "p@ss"}),
        ("redis://gate:p:%2F@a", {"user": "gate", "password": "p:/"}),
    ],
)
def test_a_url_says_it_all(text: str, expected: dict[str, Any]) -> None:
    url = redis_url(text)
    assert url == RedisUrl(**{"tls": False, "address": TcpAddress("a", 6379), **expected})
    assert redis_url(str(url)) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:6379",
        "http://a",
        "REDIS://a",
        "redis://",
        "redis://S3cr3t@a",
        "redis://u:S3cr3t/x@a",
        "redis://u:S3cr3t@x@a",
        "redis://:S3cr3t@a:0",
        "redis://:S3cr3t@a:b",
        "redis://:S3cr3t@a/b",
        "redis://:S3cr3t@a/1/2",
        "redis://:S3cr3t@a/99999999999",
        "redis://:S3cr3t@a?db=1",
        "redis://a,b",
    ],
)
def test_what_is_no_url_is_never_quoted(text: str) -> None:
    with pytest.raises(TextError) as caught:
        redis_url(text)
    assert "S3cr3t" not in str(caught.value)


def test_nothing_shows_the_password() -> None:
    url = redis_url("rediss://gate:S3cr3t@a/2")
    assert url.shown == "rediss://a:6379/2"
    assert "S3cr3t" not in repr(url)
