"""What takes another machine than the files in invalid/, which have the rest."""

from collections.abc import Container
from pathlib import Path
from typing import Any

import pytest

from wsgate.settings.draft import Broken
from wsgate.settings.meaning_tunnel import check_tunnel
from wsgate.settings.model import (
    BackendTls,
    ClientTarget,
    EntryPoint,
    Jwt,
    Lookup,
    Place,
    PlaceKind,
    Record,
    Redis,
    Target,
    TargetRule,
    TcpAddress,
    Token,
    TokenUrl,
    Tunnel,
    UnixAddress,
)
from wsgate.text.jwt import ALGORITHMS

BROKEN: Any = Broken()
QUERY = Place(PlaceKind.QUERY, "token")
TO = (Target(TcpAddress("a", 1)),)
REDIS = TcpAddress("redis", 6379)


def ignore(path: str, message: str) -> None:
    """Takes the warnings that a test is not about."""


def no_fault(path: str, message: str) -> None:
    raise AssertionError(f"{path}: {message}")


def faults(tunnel: Tunnel, given: Container[str] = ()) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    check_tunnel(tunnel, "t", lambda path, message: found.append((path, message)), given)
    return found


def token_faults(given: Container[str] = (), **source: Any) -> list[tuple[str, str]]:
    return faults(Tunnel(token=Token(from_=(QUERY,), **source)), given)


def test_what_is_right_has_no_faults(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a: b:1\n")
    url = TokenUrl(True, TcpAddress("a", 443), "/{token}")
    assert faults(Tunnel(to=TO, record=Record(directory=str(tmp_path)))) == []
    assert faults(Tunnel(target=ClientTarget(from_=(QUERY,)), allow=(TargetRule("a"),), deny=(TargetRule(None),))) == []
    assert token_faults(file=str(file)) == []
    assert token_faults(file=str(tmp_path)) == []
    assert token_faults(directory=str(tmp_path)) == []
    assert token_faults(jwt=Jwt(key=str(file), algorithms=("RS256", "EdDSA"))) == []
    assert token_faults(jwt=Jwt(jwks=str(file))) == []
    assert token_faults(redis=Redis(address=REDIS, user="a", password_file=str(file), tls=BackendTls())) == []
    assert token_faults(redis=Redis(address=UnixAddress("/redis"))) == []
    assert token_faults({"t.token.url_tls"}, url=url, url_tls=BackendTls(verify=False)) == []
    assert token_faults(python=Lookup(call=EntryPoint("json.decoder", "scanstring"))) == []


def test_tls_that_is_the_default_is_no_fault_where_it_does_nothing(tmp_path: Path) -> None:
    assert token_faults(directory=str(tmp_path), url_tls=BackendTls()) == []


def test_the_algorithms_are_those_of_the_source() -> None:
    for algorithms in ((name,) for name in ALGORITHMS):
        assert all(path != "t.token.jwt.algorithms" for path, _ in token_faults(jwt=Jwt(algorithms=algorithms)))
    (unknown,) = [message for path, message in token_faults(jwt=Jwt(algorithms=("none",))) if "algorithms" in path]
    assert unknown.endswith(f": write one of {', '.join(ALGORITHMS)}")


@pytest.mark.parametrize(
    "tunnel",
    [
        Tunnel(to=BROKEN),
        Tunnel(to=TO, token=BROKEN, target=BROKEN),
        Tunnel(to=TO, record=BROKEN),
        Tunnel(to=TO, record=Record(directory=BROKEN)),
        Tunnel(target=ClientTarget(from_=BROKEN), allow=BROKEN),
        Tunnel(target=ClientTarget(from_=(BROKEN,)), allow=(BROKEN,)),
        *(
            Tunnel(token=Token(from_=BROKEN, **source))
            for source in (
                {"file": BROKEN},
                {"directory": BROKEN},
                {"jwt": BROKEN},
                {"jwt": Jwt(key=BROKEN, algorithms=BROKEN)},
                {"jwt": Jwt(jwks=BROKEN, algorithms=(BROKEN,))},
                {"redis": BROKEN},
                {"redis": Redis(address=BROKEN, user="a", password_file=BROKEN, tls=BROKEN)},
                {"redis": Redis(address=UnixAddress("/a"), user=BROKEN, tls=BackendTls(ca=BROKEN))},
                {"url": BROKEN, "url_tls": BackendTls(server_name="a")},
                {"url": BROKEN, "url_tls": BROKEN},
                {"python": BROKEN},
                {"python": Lookup(call=BROKEN)},
            )
        ),
    ],
)
def test_broken_parts_are_passed_over(tunnel: Tunnel) -> None:
    has_url = isinstance(tunnel.token, Token) and tunnel.token.url is not None
    assert faults(tunnel, {"t.token.url_tls"} if has_url else ()) == []
