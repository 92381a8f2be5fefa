from __future__ import annotations

from collections.abc import Callable

import pytest

from wsgate.settings.changes import (
    backend_field,
    changed_value,
    client_field,
    removed_backend_field,
    removed_client_field,
    request_id_field,
    variable_meant,
)
from wsgate.text.error import TextError

CONNECTIONS = "belongs to the connection, the gateway writes it: remove it"


@pytest.mark.parametrize("text", ["Cookie", "X-Forwarded-For", "x_y", "Via", "Authorization", "Server"])
def test_names(text: str) -> None:
    assert backend_field(text) == client_field(text) == text
    assert removed_backend_field(text) == removed_client_field(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        *("Connection", "UPGRADE", "Content-Length", "Transfer-Encoding", "TE", "Trailer", "Keep-Alive"),
        *("Proxy-Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "sec-websocket-accept"),
    ],
)
@pytest.mark.parametrize("parse", [backend_field, client_field, removed_backend_field, removed_client_field])
def test_the_fields_of_the_connection(parse: Callable[[str], str], text: str) -> None:
    with pytest.raises(TextError, match=f"^{text} {CONNECTIONS}$"):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (backend_field, "Host", "Host is not changed here: write host under relay"),
        (backend_field, "Origin", "Origin is not changed here: write origin under relay"),
        (client_field, "Date", "Date is not changed here: it is the time of the answer: remove it"),
        (backend_field, "a b", "'a b' is not the name of a header field: use letters, digits and '-'"),
        (
            request_id_field,
            "X-Forwarded-For",
            "X-Forwarded-For says something else: write a name like X-Request-Id or X-Correlation-Id",
        ),
        (request_id_field, "cookie", "cookie says something else"),
        (request_id_field, "Host", "Host is not changed here"),
        (changed_value, "", "the value is empty: write one, or the field's name under remove"),
        (changed_value, "a\nb", "'a\\nb' is not the value of a header field"),
        (changed_value, "{x}", "'{x}': {x} is none of {address}"),
        (changed_value, "$host", "'$host' has $host: here it is {host}"),
    ],
)
def test_what_is_wrong(parse: Callable[[str], str], text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)


def test_a_variable_with_a_dollar() -> None:
    assert variable_meant("a ${user}", {}) == "'a ${user}': ${user} would be a value of the environment: write {user}"
    assert variable_meant("a ${user}", {"user": "me"}) is None
    assert variable_meant("a $${user} {user} ${USER}", {}) is None


def test_values() -> None:
    assert changed_value("max-age=1; {user}") == "max-age=1; {user}"
