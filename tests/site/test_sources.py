"""The source of a route's tokens: asked over TLS with the files of today, and tried again where it cannot be opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests import pki
from wsgate.settings.model import (
    BackendTls,
    Place,
    PlaceKind,
    Redis,
    Route,
    TcpAddress,
    Token,
    TokenUrl,
    Tunnel,
)
from wsgate.site import sources
from wsgate.site.sources import OpenError, later, open_lookups
from wsgate.site.tokens.lookups import Lookups
from wsgate.wire.http import Refusal

PLACES = (Place(PlaceKind.QUERY, "token"),)


def by_token(name: str, **source: object) -> Route:
    return Route(name=name, action=Tunnel(token=Token(from_=PLACES, **source)))  # type: ignore[arg-type]


def token_of(route: Route) -> Token:
    assert isinstance(route.action, Tunnel)
    assert route.action.token is not None
    return route.action.token


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    (tmp_path / "tokens").write_text("a: h:1\n")
    return str(tmp_path / "tokens")


def opened_later(name: str, file: str) -> Lookups:
    token = Token(from_=PLACES, file=file)
    with pytest.raises(OpenError) as caught:
        open_lookups(name, token)
    return later(name, token, str(caught.value))


URL = TokenUrl(True, TcpAddress("localhost", 443), "/{token}")
REDIS = Redis(address=TcpAddress("localhost", 6379))


@pytest.mark.parametrize("by", ["url", "redis"])
def test_a_certificate_that_is_missing(by: str, tmp_path: Path) -> None:
    tls = BackendTls(ca=str(tmp_path / "ca.pem"))
    route = by_token("it", url=URL, url_tls=tls) if by == "url" else by_token("it", redis=replace(REDIS, tls=tls))
    with pytest.raises(OpenError, match=r"ca\.pem"):
        open_lookups("it", token_of(route))


def test_files_that_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection uses the present files; a file that is no certificate changes nothing."""
    contexts = []
    monkeypatch.setattr("wsgate.site.sources.open_source", lambda token, tls: contexts.append(tls))
    authority = pki.shared().cert_pem
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.bytes())
    open_lookups("it", token_of(by_token("it", url=URL, url_tls=BackendTls(ca=str(ca)))))
    (context,) = contexts
    first = context()
    assert context() is first
    ca.write_text("no certificate")
    assert context() is first
    ca.write_bytes(authority.bytes())
    second = context()
    assert second is not first
    assert context() is second


async def test_one_that_cannot_be_opened_is_tried_again(
    tmp_path: Path, tokens: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a worker's replacement: the other routes are served, and this one as soon as its source can be opened."""
    later_file = tmp_path / "later"
    it = open_lookups("it", Token(from_=PLACES, file=tokens))
    late = opened_later("late", str(later_file))
    (line,) = [vars(record) for record in caplog.records]
    assert (line["event"], line["fields"]["route"]) == ("token source broken", "late")
    assert isinstance(await it.targets("a"), tuple)
    refusal = await late.targets("a")
    assert isinstance(refusal, Refusal)
    assert (refusal.status, "does not exist" in refusal.detail) == (503, True)
    later_file.write_text("a: h:2\n")
    again = await late.targets("a")
    assert isinstance(again, Refusal)  # not at once: attempts are limited by time, not by requests
    monkeypatch.setattr(sources, "_RETRY", 0.0)
    other = opened_later("late", str(tmp_path / "other"))
    for _ in range(2):
        assert isinstance(await other.targets("a"), Refusal)
    (tmp_path / "other").write_text("a: h:2\n")
    for _ in range(2):
        found = await other.targets("a")
        assert isinstance(found, tuple)
        assert str(found[0]) == "tcp://h:2"
    other.close()
    late.close()
