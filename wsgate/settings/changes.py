"""Values of the configuration about header fields that are changed on their way: their names, and variables in them.

Every parser takes the text of one value and returns the model's value. It raises ``TextError`` when the text is wrong.
"""

from __future__ import annotations

from collections.abc import Container

from wsgate.text.error import TextError, quote
from wsgate.text.field import field_name, field_value
from wsgate.text.variables import VARIABLES, check_variables

# They decide where a message ends and what the connection becomes (RFC 9112 §6, §9; RFC 6455 §4)
_FRAMING = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_WEBSOCKET = "sec-websocket-"
# They have a meaning of their own
_OTHERS = frozenset({"authorization", "cookie", "forwarded", "via", "x-real-ip"})

_BACKEND_CURES = {"host": "write host under relay", "origin": "write origin under relay"}
_CLIENT_CURES = {"date": "it is the time of the answer: remove it"}


def backend_field(text: str) -> str:
    """Checks the name of a field of a request to a backend."""
    return _checked(text, _BACKEND_CURES)


def client_field(text: str) -> str:
    """Checks the name of a field of an answer to a client."""
    return _checked(text, _CLIENT_CURES)


def removed_backend_field(text: str) -> str:
    """Parses the name of a field that is removed from a request."""
    return backend_field(text).lower()


def removed_client_field(text: str) -> str:
    """Parses the name of a field that is removed from an answer."""
    return client_field(text).lower()


def request_id_field(text: str) -> str:
    """Checks the name of the field for the id of a request."""
    name = backend_field(text).lower()
    if name in _OTHERS or name.startswith(("x-forwarded-", "x-client-cert-")):
        raise TextError(f"{text} says something else: write a name like X-Request-Id or X-Correlation-Id")
    return text


def changed_value(text: str) -> str:
    """Checks the value of a field that is written, with variables in it."""
    if not text:
        raise TextError("the value is empty: write one, or the field's name under remove")
    check_variables(text)
    return field_value(text)


def variable_meant(text: str, environment: Container[str]) -> str | None:
    """Returns what to write instead of a variable with a dollar in front; ``None`` without one.

    environment: names that are values of the environment
    """
    for name in VARIABLES:
        if f"${{{name}}}" in text and f"$${{{name}}}" not in text and name not in environment:
            return f"{quote(text)}: ${{{name}}} would be a value of the environment: write {{{name}}}"
    return None


def _checked(text: str, cures: dict[str, str]) -> str:
    name = field_name(text).lower()
    if name in _FRAMING or name.startswith(_WEBSOCKET):
        raise TextError(f"{text} belongs to the connection, the gateway writes it: remove it")
    if name in cures:
        raise TextError(f"{text} is not changed here: {cures[name]}")
    return text
