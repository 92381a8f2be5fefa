from __future__ import annotations

import json

import pytest

from tests.gate.conftest import NOWHERE, exchange_for, route
from tests.peers.heads import plain_request
from wsgate.gate.error_page import error_body
from wsgate.wire.http import Refusal, Request

REFUSAL = Refusal(502, "the backend cannot be reached", detail="10.0.0.1 is secret")
PLAIN, PAGE, JSON = b"text/plain; charset=utf-8", b"text/html; charset=utf-8", b"application/json"


def asking(accept: str | None) -> Request:
    fields = {} if accept is None else {"Accept": accept}
    return exchange_for(route(NOWHERE), plain_request(**fields)).request


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, PLAIN),
        ("*/*", PLAIN),
        ("image/png", PLAIN),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", PAGE),
        ("application/json", JSON),
        ("Application/JSON; charset=utf-8", JSON),
        ("text/html;q=0.5, application/json", JSON),
        ("text/html; q=0, application/json;q=0.001", JSON),
        ("text/plain, text/html", PLAIN),
        ("text/html;q=0", PLAIN),
        ("text/html;q=nonsense", PAGE),
    ],
)
def test_the_kind_that_the_client_wants(accept: str | None, kind: bytes) -> None:
    assert error_body(REFUSAL, asking(accept))[0] == kind


def test_without_a_request_it_is_text() -> None:
    assert error_body(REFUSAL, None) == (PLAIN, b"502 the backend cannot be reached\n")


def test_what_each_kind_says() -> None:
    """Status and reason, and nothing that is for the log alone."""
    _, page = error_body(Refusal(400, "<b> & more", detail="secret"), asking("text/html"))
    assert b"400 &lt;b&gt; &amp; more" in page
    assert b"secret" not in page
    _, data = error_body(REFUSAL, asking("application/json"))
    assert json.loads(data) == {"status": 502, "error": "the backend cannot be reached"}
