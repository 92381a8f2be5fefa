"""The header fields that the gateway writes and changes: for a backend, and for the client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from wsgate.gate.auth.identity import NOBODY, Admitted
from wsgate.gate.client import Client, backend_fields
from wsgate.gate.cors import cors_fields
from wsgate.gate.exchange import Exchange
from wsgate.settings.model import Relay
from wsgate.site.auth import USER_FIELD
from wsgate.site.route import LiveRoute
from wsgate.site.site import Site
from wsgate.text.variables import encoded
from wsgate.wire.headers import Headers, alike

_NOTHING: frozenset[bytes] = frozenset()
_ORIGIN = frozenset({b"origin"})


class RequestContext(Protocol):
    """What variables stand for; an ``Exchange`` is one."""

    @property
    def route(self) -> LiveRoute: ...

    @property
    def client(self) -> Client: ...

    @property
    def site(self) -> Site: ...

    @property
    def request_id(self) -> str: ...

    @property
    def user(self) -> str | None: ...

    @property
    def admitted(self) -> Admitted: ...


@dataclass(slots=True)
class BackendFields:
    """What every backend of a route gets of a request, apart from the client's own fields.

    written: fields that the gateway writes
    dropped: names, in lower case, of the client's fields that go no further
    """

    written: Headers
    dropped: frozenset[bytes]


def fields_for_backend(context: RequestContext) -> BackendFields:
    """Returns what tells a backend about the client, with the route's changes."""
    written, dropped = backend_fields(context.client), _NOTHING
    ids, action = context.site.settings.request_id, context.route.settings.action
    if ids is not None:
        name, dropped = _names(ids.header)
        written.append((name, context.request_id.encode()))
    if isinstance(action, Relay) and action.origin != "keep":
        dropped |= _ORIGIN
        if action.origin != "remove":
            written.append((b"Origin", action.origin.encode()))
    auth = context.route.auth
    if auth is not None:
        dropped |= auth.dropped
        written += _of_credentials(context)
    changes = context.route.to_backend
    if changes is None:
        return BackendFields(written, dropped)
    return BackendFields(changes.apply(written, value_of(context)), dropped | changes.dropped)


def _of_credentials(context: RequestContext) -> Headers:
    """Returns the fields that tell who the client is."""
    fields, user = context.admitted.fields, context.user
    if user is None or any(name.lower() == USER_FIELD.lower() for name, _ in fields):
        return fields
    return [*fields, (USER_FIELD, encoded(user).encode())]


@cache
def _names(header: str) -> tuple[bytes, frozenset[bytes]]:
    """Returns the name of a field that the gateway writes, and the names of the client's that it drops for it."""
    name = header.encode()
    return name, frozenset({name.lower(), alike(name.lower())})


def fields_for_client(exchange: Exchange, headers: Headers) -> Headers:
    """Returns the fields of an answer with those for its page, and with the route's changes."""
    cors, changes = exchange.route.settings.cors, exchange.route.to_client
    if cors is not None and exchange.upgrade is None:
        headers = cors_fields(exchange, cors, headers)
    if exchange.admitted is not NOBODY and (more := exchange.admitted.answer_fields):
        headers = [*headers, *more]
    return headers if changes is None else changes.apply(headers, value_of(exchange))


def value_of(context: RequestContext) -> Callable[[str], str]:
    """Returns a function from the name of a variable to its value; empty for one without."""
    client = context.client

    def value(name: str) -> str:
        if name == "address":
            return client.chain[0] if client.chain else ""
        if name == "host":
            return client.name.decode("latin-1")
        if name == "route":
            return context.route.name
        if name == "subject":
            return "" if client.certificate is None else client.certificate.subject
        return context.request_id if name == "request_id" else context.user or ""

    return value
