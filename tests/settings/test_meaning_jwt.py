"""What no file in invalid/ shows: what is right, and what is only a warning."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import pytest

from wsgate.settings.draft import Broken
from wsgate.settings.meaning_jwt import check_jwt
from wsgate.settings.model import BackendTls, HttpUrl, JwtAuth, TcpAddress

BROKEN: Any = Broken()
KEYS = HttpUrl(True, TcpAddress("login.example.com", 443), "/keys")


def check(given: Container[str] = (), **jwt: Any) -> tuple[list[str], list[str]]:
    """The faults and the warnings."""
    faults: list[str] = []
    warnings: list[str] = []
    settings = JwtAuth(**{"algorithms": ("RS256",), **jwt})
    check_jwt(settings, "j", lambda path, _: faults.append(path), lambda path, _: warnings.append(path), given)
    return faults, warnings


@pytest.mark.parametrize(
    "jwt",
    [
        {"key": "/k"},
        {"key": "/k", "algorithms": ("HS256", "HS384", "HS512")},
        {"key": "/k", "algorithms": ("RS256", "PS256", "ES256", "EdDSA")},
        {"jwks": "/k", "algorithms": ("HS256",), "audience": ("a",)},
        {"jwks": KEYS, "audience": ("a",), "jwks_tls": BackendTls(verify=False)},
        {"jwks": HttpUrl(False, TcpAddress("127.0.0.1", 80), "/"), "audience": ("a",)},
    ],
)
def test_what_is_right(jwt: Any) -> None:
    assert check(("j.jwks_tls",) if "jwks_tls" in jwt else (), **jwt) == ([], [])


def test_what_is_probably_not_meant() -> None:
    assert check(jwks=KEYS) == ([], ["j"])
    assert check(jwks=HttpUrl(False, TcpAddress("a", 80), "/"), audience=("a",)) == ([], ["j.jwks"])


def test_what_is_broken_has_its_fault_already() -> None:
    given = ("j.jwks_tls", "j.refresh", "j.timeout")
    assert check(given, jwks=BROKEN) == ([], [])
    assert check(given, jwks=KEYS, jwks_tls=BROKEN, algorithms=BROKEN, audience=BROKEN) == ([], [])
    assert check(given, jwks=KEYS, algorithms=(BROKEN, "RS256"), audience=BROKEN) == ([], [])
