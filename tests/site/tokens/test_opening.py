"""Which source a configuration asks for."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.site.jwt.signing import SECRET, write
from wsgate.settings.model import (
    SOURCES,
    BackendTls,
    EntryPoint,
    Jwt,
    Lookup,
    Place,
    PlaceKind,
    Redis,
    Scheme,
    Target,
    TcpAddress,
    Token,
    TokenUrl,
    UnixAddress,
)
from wsgate.site.tokens.directory import DirectorySource
from wsgate.site.tokens.file import FileSource
from wsgate.site.tokens.jwt import JwtSource
from wsgate.site.tokens.opening import open_source, source_tls
from wsgate.site.tokens.python import PythonSource
from wsgate.site.tokens.redis import RedisSource
from wsgate.site.tokens.source import SourceError
from wsgate.site.tokens.url import UrlSource

PLACE = (Place(PlaceKind.QUERY, "token"),)


def sources(tmp_path: Path) -> dict[str, tuple[Any, type]]:
    (tmp_path / "tokens").write_text("desk: h:1\n")
    address = TcpAddress("127.0.0.1", 1)
    return {
        "file": (str(tmp_path / "tokens"), FileSource),
        "directory": (str(tmp_path), DirectorySource),
        "jwt": (Jwt(key=write(tmp_path / "key", SECRET)), JwtSource),
        "redis": (Redis(address=address, tls=BackendTls()), RedisSource),
        "url": (TokenUrl(True, address, "/{token}"), UrlSource),
        "python": (Lookup(call=EntryPoint("tests.site.tokens.plugins", "look_up")), PythonSource),
    }


def test_every_source_has_its_class(tmp_path: Path) -> None:
    known = sources(tmp_path)
    assert tuple(known) == SOURCES
    context = ssl.create_default_context()
    for name, (value, kind) in known.items():
        opened = open_source(Token(from_=PLACE, **{name: value}), lambda: context)
        assert type(opened) is kind
        opened.close()


def test_which_of_them_are_asked_over_tls(tmp_path: Path) -> None:
    over = {name: source_tls(Token(from_=PLACE, **{name: value})) for name, (value, _) in sources(tmp_path).items()}
    assert {name for name, tls in over.items() if tls is not None} == {"redis", "url"}
    for plain in (
        {"redis": Redis(address=TcpAddress("h", 1))},
        {"redis": Redis(address=UnixAddress("/x"), tls=BackendTls())},
        {"url": TokenUrl(False, TcpAddress("h", 1), "/{token}")},
    ):
        settings: Any = plain
        assert source_tls(Token(from_=PLACE, **settings)) is None


async def test_the_scheme_of_the_targets(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("desk: h:1\n")
    for scheme, tls in ((Scheme.TCP, False), (Scheme.TLS, True)):
        source = open_source(Token(from_=PLACE, file=str(tmp_path / "tokens"), scheme=scheme))
        assert await source.look_up("desk") == (Target(TcpAddress("h", 1), tls),)


def test_what_cannot_work_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        open_source(Token(from_=PLACE, file=str(tmp_path / "nothing")))
