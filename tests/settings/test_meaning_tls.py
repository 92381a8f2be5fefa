"""Which keys of TLS go together; no file is looked at."""

from __future__ import annotations

import pytest

from wsgate.settings.meaning_tls import check_backend_tls, check_listeners_tls, check_routes_tls
from wsgate.settings.model import (
    BackendTls,
    Certificate,
    ClientAuth,
    Listener,
    Relay,
    RelayBackend,
    Route,
    TcpAddress,
    Tls,
    UnixAddress,
    WebSocketUrl,
)

OWN = Certificate(certificate="/c", key="/k")


@pytest.mark.parametrize(
    ("tls", "paths"),
    [
        (Tls(certificate="/c", key="/k"), []),
        (Tls(certificate="/c"), []),
        (Tls(certificates=(OWN, OWN)), []),
        (Tls(), [""]),
        (Tls(key="/k"), ["", ".key"]),
        (Tls(certificate="/c", key="/k", certificates=(OWN,)), [".certificates"]),
        (Tls(certificates=(OWN,), key="/k"), [".key"]),
        (Tls(certificates=(OWN,), password_file="/p"), [".password_file"]),
        (Tls(certificates=(OWN, Certificate(key="/k"))), [".certificates[1]"]),
        (Tls(certificate="/c", plaintext=True, client_ca="/ca"), [".plaintext"]),
        (Tls(certificate="/c", plaintext=True, client_ca="/ca", client_auth=ClientAuth.OPTIONAL), []),
        (Tls(certificate="/c", plaintext=True), []),
    ],
)
def test_a_listeners(tls: Tls, paths: list[str]) -> None:
    found: list[str] = []
    listener = Listener(bind=UnixAddress("/a"), tls=tls)
    check_listeners_tls([(3, listener)], lambda path, message: found.append(path), ())
    assert found == [f"listeners[3].tls{path}" for path in paths]


@pytest.mark.parametrize(
    ("tls", "paths"),
    [
        (BackendTls(), []),
        (BackendTls(ca="/ca", certificate="/c", key="/k", password_file="/p"), []),
        (BackendTls(verify=False), []),
        (BackendTls(key="/k", password_file="/p"), ["t.key", "t.password_file"]),
        (BackendTls(ca="/ca", verify=False), ["t.ca"]),
    ],
)
def test_a_backends(tls: BackendTls, paths: list[str]) -> None:
    found: list[str] = []
    check_backend_tls(tls, "t", lambda path, message: found.append(path))
    assert found == paths


def test_of_tls_that_does_nothing_nothing_else_is_said() -> None:
    wrong = BackendTls(ca="/ca", verify=False)
    found: list[str] = []
    for given in ((), ("routes[0].relay.tls",)):
        for is_tls in (False, True):
            relay = Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("a", 80), None, is_tls)),), tls=wrong)
            check_routes_tls([(0, Route(name="a", action=relay))], lambda path, message: found.append(path), given)
    assert found == [
        "routes[0].relay.tls.ca",
        "routes[0].relay.tls.ca",
        "routes[0].relay.tls",
        "routes[0].relay.tls.ca",
    ]
