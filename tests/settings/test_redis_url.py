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
        ("redis://a:7000/5", {"addresses": (TcpAddress("a", 7000),), "database": 5}),
        ("rediss://[::1]/", {"tls": True, "addresses": (TcpAddress("::1", 6379),)}),
        ("redis://:p%40ss@a", {"password": "p@ss"}),
        ("redis://gate:p:%2F@a", {"user": "gate", "password": "p:/"}),
        ("redis+sentinel://a/main", {"addresses": (TcpAddress("a", 26379),), "service": "main"}),
        (
            "rediss+sentinel://:p@a:1,[::1],b:2/my-main.1/3",
            {
                "tls": True,
                "addresses": (TcpAddress("a", 1), TcpAddress("::1", 26379), TcpAddress("b", 2)),
                "password": "p",
                "service": "my-main.1",
                "database": 3,
            },
        ),
    ],
)
def test_a_url_says_it_all(text: str, expected: dict[str, Any]) -> None:
    url = redis_url(text)
    assert url == RedisUrl(**{"tls": False, "addresses": (TcpAddress("a", 6379),), **expected})
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
        "redis://a/main/0",
        "redis+sentinel://:S3cr3t@a",
        "redis+sentinel://:S3cr3t@a/",
        "redis+sentinel://:S3cr3t@a//0",
        "redis+sentinel://:S3cr3t@a/m%20n",
        "redis+sentinel://:S3cr3t@a/main/x",
        "redis+sentinel://:S3cr3t@a/main/0/0",
        "redis+sentinel://:S3cr3t@a,,b/main",
        "redis+sentinel://:S3cr3t@a,u:S3cr3t@b/main",
        "redis+sentinel://u:S3c/r3t@a/main",
        "sentinel://:S3cr3t@a/main",
        "redis-sentinel://:S3cr3t@a/main",
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
    url = redis_url("redis+sentinel://:S3cr3t@a,b:1/main/2")
    assert url.shown == "redis+sentinel://a:26379,b:1/main/2"
    assert "S3cr3t" not in repr(url)


@pytest.mark.parametrize(
    "text", ["sentinel://a;b/main", "redis-sentinel://a#main", "redis://a,b/0", "redis+sentinel://a/"]
)
def test_whoever_has_sentinels_is_told_how_they_are_written(text: str) -> None:
    with pytest.raises(TextError, match=r"redis\+sentinel://host:port"):
        redis_url(text)
