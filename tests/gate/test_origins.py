"""Which pages may open a WebSocket, by their Origin."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.gate.asking import UPGRADE, ask
from tests.gate.conftest import NOWHERE, exchange_for, route
from wsgate.gate.admission import admit
from wsgate.settings.access import web_origin
from wsgate.settings.addresses import network
from wsgate.settings.model import ANY_ORIGIN, SAME_HOST, Files, Network
from wsgate.wire.http import Request

PAGE = "https://app.example.com"


@pytest.mark.parametrize(
    ("sent", "is_let_in"),
    [
        ([PAGE], True),
        (["https://APP.example.com:443"], True),
        (["http://localhost:8080"], True),
        (["http://[::1]:80"], True),
        (["null"], True),
        (["http://app.example.com"], False),
        ([PAGE + ":8443"], False),
        ([PAGE + ".evil.example"], False),
        ([PAGE + "/"], False),
        (["http://localhost"], False),
        (["https://[::1]:80"], False),
        ([""], False),
        (["\xff"], False),
        ([PAGE, PAGE], False),
        ([PAGE + ", https://evil.example"], False),
        ([], False),
    ],
)
async def test_origins(sent: list[str], is_let_in: bool) -> None:
    it = route(NOWHERE, origins=(PAGE, "http://localhost:8080", "null", "http://[::1]"))
    refusal = await ask(it, *[("Origin", value) for value in sent])
    if is_let_in:
        assert refusal is None
    else:
        assert refusal is not None
        assert (refusal.status, refusal.reason) == (403, "this origin is not allowed")


@pytest.mark.parametrize(
    "page",
    ["file://", "app://-", "capacitor://localhost", "vscode-webview://0a1b_2c", "chrome-extension://mhjfb"],
)
async def test_pages_of_other_schemes(page: str) -> None:
    """Where they are written, and only there."""
    for written in (page, web_origin(page.upper())):
        assert await ask(route(NOWHERE, origins=(written,)), ("Origin", page)) is None
    for written in ("null", "same-host", PAGE):
        assert await ask(route(NOWHERE, origins=(written,)), ("Origin", page)) is not None


# Host, fields of proxies, the page's Origin, and whether it is of the host that was asked for
SAME: list[tuple[str, dict[str, str], str, bool]] = [
    ("gate.example", {}, "http://gate.example", True),
    ("gate.example", {}, "https://gate.example", True),  # TLS may end in front of us
    ("gate.example:80", {}, "http://gate.example", True),
    ("gate.example:443", {}, "https://gate.example", True),
    ("Gate.Example.", {}, "https://gate.example", True),
    ("gate.example:8080", {}, "http://gate.example:8080", True),
    ("gate.example:8080", {}, "https://gate.example:8080", True),
    ("[::1]:8080", {}, "http://[::1]:8080", True),
    ("127.0.0.1:8080", {}, "http://127.0.0.1:8080", True),
    ("gate.example", {}, "https://gate.example:8443", False),
    ("gate.example:8080", {}, "http://gate.example", False),
    ("gate.example", {}, "https://evil.example", False),
    ("gate.example", {}, "https://gate.example.evil", False),
    ("gate.example", {}, "https://evil.example@gate.example", False),
    ("gate.example", {}, "https://www.gate.example", False),
    ("localhost", {}, "capacitor://localhost", False),
    ("gate.example", {}, "null", False),
    ("gate.example", {}, "file://", False),
    ("gate.example", {}, "same-host", False),
    ("gate.example", {}, "", False),
    ("gate.example", {}, "https://", False),
    # a trusted proxy knows what the client asked for
    ("10.0.0.5:8080", {"X-Forwarded-Host": "gate.example"}, "https://gate.example", True),
    ("10.0.0.5:8080", {"X-Forwarded-Host": "gate.example", "X-Forwarded-Proto": "https"}, "https://gate.example", True),
    ("gate.example", {"X-Forwarded-Port": "8443", "X-Forwarded-Proto": "https"}, "https://gate.example:8443", True),
    ("10.0.0.5", {"Forwarded": "host=gate.example;proto=https"}, "https://gate.example", True),
    ("10.0.0.5:8080", {"X-Forwarded-Host": "gate.example"}, "http://10.0.0.5:8080", False),
]


@pytest.mark.parametrize(("host", "said", "page", "is_same"), SAME)
async def test_pages_of_the_host_that_was_asked_for(host: str, said: dict[str, str], page: str, is_same: bool) -> None:
    fields = [(name.lower().encode(), value.encode()) for name, value in {"Origin": page, **said}.items()]
    asked = Request(b"GET", b"/", host.encode(), b"1.1", fields, fields)

    async def is_admitted(*origins: str, trusted: Sequence[Network]) -> bool:
        exchange = exchange_for(route(NOWHERE, origins=origins), asked, trusted=trusted)
        exchange.upgrade = UPGRADE
        return await admit(exchange) is None

    proxy = [network("192.0.2.0/24")]
    for origins in ((SAME_HOST,), (PAGE, SAME_HOST)):
        assert await is_admitted(*origins, trusted=proxy) is is_same
    if said:  # an untrusted client's own value is ignored
        assert await is_admitted(SAME_HOST, trusted=()) is (page == "http://10.0.0.5:8080")


async def test_who_is_no_browser_is_of_no_host() -> None:
    assert await ask(route(NOWHERE, origins=(SAME_HOST,))) is None
    assert await ask(route(NOWHERE, origins=(SAME_HOST, PAGE))) is None
    assert await ask(route(NOWHERE, origins=(SAME_HOST,)), ("Origin", "http://gate"), ("Origin", "http://gate"))


async def test_files_are_for_every_page() -> None:
    """A page's own scripts and pictures come without an Origin."""
    assert await ask(route(Files(root="/"), origins=(PAGE,))) is None


async def test_the_log_says_which_origin() -> None:
    it = route(NOWHERE, origins=(PAGE,))
    refusal, none = await ask(it, ("Origin", "https://" + "x" * 500)), await ask(it)
    assert refusal is not None
    assert refusal.detail == "Origin: https://" + "x" * 192
    assert none is not None
    assert none.detail == "Origin: none; origin_required: false lets programs in that are no browsers"


WILDCARD = "https://*.example.com"


@pytest.mark.parametrize(
    ("written", "sent", "is_let_in"),
    [
        (WILDCARD, "https://a.example.com", True),
        (WILDCARD, "https://a.b.Example.com:443", True),
        (WILDCARD, "https://example.com", False),
        (WILDCARD, "https://.example.com", False),
        (WILDCARD, "https://evilexample.com", False),
        (WILDCARD, "https://a.example.com.evil.example", False),
        (WILDCARD, "https://evil.example#.example.com", False),
        (WILDCARD, "https://evil.example/.example.com", False),
        (WILDCARD, "http://a.example.com", False),
        (WILDCARD, "https://a.example.com:8443", False),
        (WILDCARD, WILDCARD, False),
        (WILDCARD, "null", False),
        (WILDCARD + ":8443", "https://a.example.com:8443", True),
        (WILDCARD + ":8443", "https://a.example.com", False),
        ("http://*.localhost", "http://app.localhost:80", True),
        ("vscode-webview://*", "vscode-webview://0A1b_2c", True),
        ("vscode-webview://*", "vscode-file://0a1b", False),
        ("vscode-webview://*", "https://vscode-webview://", False),
    ],
)
async def test_a_wildcard_stands_for_the_first_labels(written: str, sent: str, is_let_in: bool) -> None:
    it = route(NOWHERE, origins=(web_origin(written),))
    assert (await ask(it, ("Origin", sent)) is None) is is_let_in


@pytest.mark.parametrize(
    ("origins", "required", "is_let_in"),
    [
        ((), None, True),
        ((ANY_ORIGIN,), None, True),
        ((SAME_HOST,), None, True),
        ((PAGE, SAME_HOST), None, True),
        ((PAGE,), None, False),
        (("null",), None, False),
        ((PAGE,), False, True),
        ((SAME_HOST,), True, False),
        ((ANY_ORIGIN,), True, False),
        ((), True, False),
    ],
)
async def test_a_request_without_an_origin(origins: tuple[str, ...], required: bool | None, is_let_in: bool) -> None:
    it = route(NOWHERE, origins=origins, origin_required=required)
    assert (await ask(it) is None) is is_let_in
    sent = PAGE if PAGE in origins else "https://gate"
    if origins != ("null",):
        assert await ask(it, ("Origin", sent)) is None
