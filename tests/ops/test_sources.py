"""The sources of tokens: opened whole or not at all, kept over reloads, asked over TLS with the files of today."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests import pki
from wsgate.ops import sources
from wsgate.ops.sources import SourcesError, open_lookups
from wsgate.settings.model import (
    BackendTls,
    Files,
    Jwt,
    Place,
    PlaceKind,
    Redis,
    Route,
    Settings,
    TcpAddress,
    Token,
    TokenUrl,
    Tunnel,
)
from wsgate.site.tokens.lookups import Lookups
from wsgate.wire.http import Refusal

PLACES = (Place(PlaceKind.QUERY, "token"),)


def settings(*routes: Route) -> Settings:
    return Settings(listeners=(), routes=routes)


def by_token(name: str, **source: object) -> Route:
    return Route(name=name, action=Tunnel(token=Token(from_=PLACES, **source)))  # type: ignore[arg-type]


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    (tmp_path / "tokens").write_text("a: h:1\n")
    return str(tmp_path / "tokens")


def test_routes_without_tokens_have_none(tmp_path: Path) -> None:
    assert open_lookups(settings(Route(name="it", action=Files(root=str(tmp_path))))) == {}


async def test_a_route_with_tokens(tokens: str) -> None:
    lookups = open_lookups(settings(by_token("it", file=tokens)))
    assert list(lookups) == ["it"]
    found = await lookups["it"].targets("a")
    assert isinstance(found, tuple)
    assert str(found[0]) == "tcp://h:1"


def test_what_did_not_change_stays(tokens: str) -> None:
    known = open_lookups(settings(by_token("same", file=tokens), by_token("other", file=tokens)))
    now = open_lookups(settings(by_token("same", file=tokens), by_token("other", file=tokens, revoke=True)), known)
    assert now["same"] is known["same"]
    assert now["other"] is not known["other"]


def test_every_fault_at_once_and_nothing_left_open(
    tokens: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jwks").write_text("no JSON")
    closed: list[Lookups] = []
    monkeypatch.setattr(Lookups, "close", lambda self: closed.append(self))
    known = open_lookups(settings(by_token("kept", file=tokens)))
    bad = Jwt(jwks=str(tmp_path / "jwks"))
    faulty = settings(
        by_token("kept", file=tokens), by_token("new", file=tokens), by_token("x", jwt=bad), by_token("y", jwt=bad)
    )
    with pytest.raises(SourcesError) as caught:
        open_lookups(faulty, known)
    first, second = caught.value.messages
    assert first.startswith("the tokens of route x: ")
    assert second.startswith("the tokens of route y: ")
    assert str(tmp_path / "jwks") in first
    assert str(caught.value) == f"{first}\n{second}"
    assert [lookups.settings for lookups in closed] == [Token(from_=PLACES, file=tokens)]
    assert closed[0] is not known["kept"]


URL = TokenUrl(True, TcpAddress("localhost", 443), "/{token}")
REDIS = Redis(address=TcpAddress("localhost", 6379))


@pytest.mark.parametrize("by", ["url", "redis"])
def test_a_certificate_that_is_missing(by: str, tmp_path: Path) -> None:
    tls = BackendTls(ca=str(tmp_path / "ca.pem"))
    route = by_token("it", url=URL, url_tls=tls) if by == "url" else by_token("it", redis=replace(REDIS, tls=tls))
    with pytest.raises(SourcesError, match=r"the tokens of route it: .*ca\.pem"):
        open_lookups(settings(route))


def test_files_that_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection has what the files say then; a file that is no certificate changes nothing."""
    contexts = []
    monkeypatch.setattr("wsgate.ops.sources.open_source", lambda token, tls: contexts.append(tls))
    authority = pki.shared().cert_pem
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.bytes())
    open_lookups(settings(by_token("it", url=URL, url_tls=BackendTls(ca=str(ca)))))
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
    """For who takes a dead worker's place: the other routes are served, and this one again as soon as it can be."""
    later = tmp_path / "later"
    lookups = open_lookups(settings(by_token("it", file=tokens), by_token("late", file=str(later))), patient=True)
    (line,) = [vars(record) for record in caplog.records]
    assert (line["event"], line["fields"]["route"]) == ("token source broken", "late")
    assert isinstance(await lookups["it"].targets("a"), tuple)
    refusal = await lookups["late"].targets("a")
    assert isinstance(refusal, Refusal)
    assert (refusal.status, "No such file" in refusal.detail) == (503, True)
    later.write_text("a: h:2\n")
    again = await lookups["late"].targets("a")
    assert isinstance(again, Refusal)  # not at once: whoever asks is not its clock
    monkeypatch.setattr(sources, "_RETRY", 0.0)
    other = open_lookups(settings(by_token("late", file=str(tmp_path / "other"))), patient=True)["late"]
    for _ in range(2):
        assert isinstance(await other.targets("a"), Refusal)
    (tmp_path / "other").write_text("a: h:2\n")
    for _ in range(2):
        found = await other.targets("a")
        assert isinstance(found, tuple)
        assert str(found[0]) == "tcp://h:2"
    other.close()
    lookups["late"].close()
