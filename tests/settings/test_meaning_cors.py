from __future__ import annotations

from typing import Any

import pytest

from wsgate.settings.draft import Broken
from wsgate.settings.meaning_cors import check_cors
from wsgate.settings.model import (
    Cors,
    Headers,
    PlainHttp,
    Relay,
    RelayBackend,
    Route,
    TcpAddress,
    ToClient,
    WebSocketUrl,
)

RELAY = Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("h", 1), None)),))
PAGE = "https://a.test"
BROKEN: Any = Broken()
CREDENTIALS = Cors(credentials=True)


def faults(cors: Any = Cors(), http: Any = PlainHttp.FORWARD, **more: Any) -> list[tuple[str, str]]:  # noqa: B008
    found: list[tuple[str, str]] = []
    route = Route(name="r", action=RELAY, cors=cors, http=http, **more)
    check_cors(route, "r", lambda path, message: found.append((path, message)))
    return found


@pytest.mark.parametrize(
    "more",
    [
        {"cors": None},
        {"cors": BROKEN},
        {"http": BROKEN},
        {"origins": (PAGE, "same-host")},
        {"origins": (PAGE,), "cors": CREDENTIALS},
        {"origins": ("any",)},
        {"origins": ("null",)},
        {"origins": BROKEN},
        {"origins": (BROKEN,), "cors": CREDENTIALS, "headers": BROKEN},
        {"origins": (PAGE,), "headers": Headers(to_client=ToClient(set_=(("Vary", "X"), BROKEN), add=BROKEN))},
        {"origins": (PAGE,), "headers": Headers(to_client=BROKEN)},
    ],
)
def test_what_is_right(more: dict[str, Any]) -> None:
    assert faults(**more) == []


@pytest.mark.parametrize(
    ("more", "path", "message"),
    [
        (
            {"http": PlainHttp.REJECT},
            "r.cors",
            "it is about plain HTTP that is passed on: write http: forward, or remove it",
        ),
        ({}, "r.cors", "it says not to whom: name the pages in origins"),
        (
            {"origins": ("same-host",)},
            "r.cors",
            "pages of the same host need none: name others in origins, beside same-host",
        ),
        (
            {"origins": ("any",), "cors": CREDENTIALS},
            "r.origins[0]",
            "with credentials every page could read what its visitor may see: "
            "name the pages, or write credentials: false",
        ),
        (
            {"origins": (PAGE, "null"), "cors": CREDENTIALS},
            "r.origins[1]",
            "with credentials every page can have a frame whose origin is null, and could read what its visitor may "
            "see: name the pages, or write credentials: false",
        ),
        (
            {"origins": (PAGE,), "headers": Headers(to_client=ToClient(add=(("Access-Control-Max-Age", "1"),)))},
            "r.headers.to_client.add.Access-Control-Max-Age",
            "cors writes it: remove one of them",
        ),
    ],
)
def test_what_is_wrong(more: dict[str, Any], path: str, message: str) -> None:
    assert faults(**more) == [(path, message)]
