from __future__ import annotations

import typing
from pathlib import Path

import pytest

from tests.gate.conftest import NOWHERE, files_at, gateway_of, relay_to, route
from wsgate.gate.handlers import files, forward, redirect, relay, respond, state, tunnel
from wsgate.gate.handlers.table import HANDLERS, forwards_http, handler_for, handler_of
from wsgate.settings.model import Action, PlainHttp, Redirect, Respond, State


def test_every_kind_of_route_has_its_handler() -> None:
    assert set(HANDLERS) == set(typing.get_args(Action))


@pytest.mark.parametrize(
    ("action", "handler"),
    [
        (relay_to(1), relay.HANDLER),
        (NOWHERE, tunnel.HANDLER),
        (files_at(Path("/")), files.HANDLER),
        (Respond(), respond.HANDLER),
        (Redirect(to="/"), redirect.HANDLER),
        (State(), state.HANDLER),
    ],
)
def test_a_route_is_handled_by_its_kind(action: Action, handler: object) -> None:
    (live,) = gateway_of(route(action)).site.routes
    assert handler_of(live) is handler


def test_relay_with_http_forward_has_a_plain_handler() -> None:
    for http, plain in ((PlainHttp.REJECT, relay.HANDLER), (PlainHttp.FORWARD, forward.HANDLER)):
        (live,) = gateway_of(route(relay_to(1), http=http)).site.routes
        assert forwards_http(live) is (http is PlainHttp.FORWARD)
        assert handler_for(live, upgrade=False) is plain
        assert handler_for(live, upgrade=True) is relay.HANDLER
