from __future__ import annotations

from typing import Any

import pytest

from wsgate.settings.draft import Broken
from wsgate.settings.meaning_headers import check_headers
from wsgate.settings.model import (
    Action,
    Auth,
    Basic,
    Files,
    Headers,
    Listener,
    Relay,
    RelayBackend,
    RequestId,
    Route,
    Target,
    TcpAddress,
    Tls,
    ToBackend,
    ToClient,
    Tunnel,
    WebSocketUrl,
)

ADDRESS = TcpAddress("h", 1)
RELAY = Relay(to=(RelayBackend(url=WebSocketUrl(ADDRESS, None)),))
TUNNEL = Tunnel(to=(Target(ADDRESS),))
TLS = Listener(bind=ADDRESS, tls=Tls(client_ca="ca.pem"))
IDS = RequestId()
AUTH = Auth(basic=Basic(users=("a:{PLAIN}b",)))


def said(
    headers: Any,
    action: Action = RELAY,
    given: tuple[str, ...] = (),
    listener: Any = TLS,
    auth: Any = AUTH,
    ids: Any = IDS,
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def note(path: str, message: str) -> None:
        found.append((path, message))

    check_headers(Route(name="r", action=action, auth=auth, headers=headers), (listener,), ids, "r", note, note, given)
    return found


def test_what_is_right() -> None:
    changes = ToClient(set_=(("A", "{user} {subject}"),), add=(("B", "1"), ("C", "1")), remove=("d",))
    assert said(Headers(to_client=changes)) == []


@pytest.mark.parametrize(
    "headers",
    [
        Broken(),
        Headers(to_backend=Broken(), to_client=Broken()),  # type: ignore[arg-type]
        Headers(to_client=ToClient(set_=Broken(), add=(Broken(),), remove=(Broken(),))),  # type: ignore[arg-type]
    ],
)
def test_what_is_broken_is_reported_already(headers: Any) -> None:
    assert said(headers, given=("r.headers.to_backend",)) == []


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (TUNNEL, "a TCP service gets no header fields: remove it"),
        (Files(root="."), "there is no backend here: remove it"),
    ],
)
def test_who_has_no_backend_that_speaks_http(action: Action, message: str) -> None:
    assert said(Headers(), action, ("r.headers.to_backend",)) == [("r.headers.to_backend", message)]
    assert said(Headers(), action, ("r.headers.to_client",)) == []


def test_a_field_is_changed_in_one_way() -> None:
    changes = ToBackend(set_=(("A", "1"), ("B", "1")), add=(("a", "2"), ("C", "1")), remove=("b", "c", "d"))
    assert said(Headers(to_backend=changes)) == [
        ("r.headers.to_backend.add.a", "a is under set, too: write it in one of them"),
        ("r.headers.to_backend.remove[0]", "b is under set, too: set replaces it already"),
        ("r.headers.to_backend.remove[1]", "c is under add, too: write it under set, which replaces it"),
    ]


@pytest.mark.parametrize("auth", [None, Auth()])
def test_variables_that_have_never_a_value(auth: Any) -> None:
    changes = ToBackend(set_=(("A", "{user}"),), add=(("B", "{subject}"),))
    user, subject = said(Headers(to_backend=changes), listener=Listener(bind=ADDRESS), auth=auth)
    assert user == (
        "r.headers.to_backend.set.A",
        "{user} has never a value here: the route asks for no credential, write auth",
    )
    assert subject == (
        "r.headers.to_backend.add.B",
        "{subject} has never a value here: no listener asks for certificates, write client_ca under tls of one",
    )
    assert said(Headers(to_backend=changes), listener=Broken(), auth=Broken()) == []
    by_id = Headers(to_client=ToClient(add=(("A", "{request_id}"),)))
    assert said(by_id, auth=auth) == said(by_id, ids=Broken()) == []
    assert said(by_id, ids=None) == [
        ("r.headers.to_client.add.A", "{request_id} has never a value here: request_id is off")
    ]
