"""``headers`` of a route: fields that are changed on their way."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass

from wsgate.settings.model.key import setting
from wsgate.settings.values import BackendField, BackendFieldName, ClientField, ClientFieldName


@dataclass(frozen=True, slots=True, kw_only=True)
class ToBackend:
    """What becomes of a request's fields on their way to a backend."""

    set_: tuple[BackendField, ...] = setting(
        "Fields that it gets, in place of any of the same name: a mapping, name: value.", default=()
    )
    add: tuple[BackendField, ...] = setting("Fields that it gets beside others: a mapping, name: value.", default=())
    remove: tuple[BackendFieldName, ...] = setting("Names of fields that it does not get.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ToClient:
    """What becomes of an answer's fields on their way to a client."""

    set_: tuple[ClientField, ...] = setting(
        "Fields that it gets, in place of any of the same name: a mapping, name: value.", default=()
    )
    add: tuple[ClientField, ...] = setting("Fields that it gets beside others: a mapping, name: value.", default=())
    remove: tuple[ClientFieldName, ...] = setting("Names of fields that it does not get.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Header fields that a route changes. In a value {address}, {host}, {request_id}, {route}, {subject} (of the client
    certificate) and {user} stand for what they name."""

    to_backend: ToBackend = setting("Changes of the request, for the backends of a relay.", default=ToBackend())
    to_client: ToClient = setting(
        "Changes of every answer on this route: a 101, a backend's, and the gateway's own.", default=ToClient()
    )
