"""What several credentials are worth together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.gate.asking import BASIC, CERTIFICATE, PAGE, ask, asking, basic
from tests.gate.conftest import NOWHERE, StartGate, relay_to, route
from tests.peers.heads import request
from tests.peers.stream import Backend
from wsgate.events.metrics import NOT_ADMITTED
from wsgate.gate.admission import admit
from wsgate.gate.auth.require import joined
from wsgate.settings.model import ClientCertificateAuth, Require
from wsgate.wire.http import Refusal

BOTH = replace(BASIC, client_certificate=ClientCertificateAuth())
EITHER = replace(BOTH, require=Require.ANY)
RIGHT = ("Authorization", basic("ann:s\xf6same"))


async def test_all_that_is_asked_must_be_passed() -> None:
    it = route(NOWHERE, auth=BOTH, origins=(PAGE,))
    right = [("Origin", PAGE), ("Authorization", basic("ann:s\xf6same"))]
    assert await ask(it, *right, certificate=CERTIFICATE) is None
    statuses = []
    for headers, certificate in ((right[1:], CERTIFICATE), (right[:1], CERTIFICATE), (right, None)):
        refusal = await ask(it, *headers, certificate=certificate)
        assert refusal is not None
        statuses.append(refusal.status)
    assert statuses == [403, 401, 403]


async def test_any_one_is_enough() -> None:
    it = route(NOWHERE, auth=EITHER)
    assert await ask(it, RIGHT) is None
    assert await ask(it, certificate=CERTIFICATE) is None
    assert await ask(it, ("Authorization", basic("ann:wrong")), certificate=CERTIFICATE) is None


async def test_who_has_none_is_told_what_would_do() -> None:
    refusal = await ask(route(NOWHERE, auth=EITHER), ("Authorization", basic("ann:wrong")))
    assert refusal is not None
    assert (refusal.status, refusal.cause) == (401, "")
    assert [name for name, _ in refusal.headers] == [b"WWW-Authenticate"]
    assert refusal.detail == "basic: wrong user or password; client_certificate: a client certificate is needed"


async def test_the_first_known_name_is_the_user() -> None:
    exchange = asking(route(NOWHERE, auth=BOTH), RIGHT, certificate=CERTIFICATE)
    assert await admit(exchange) is None
    assert exchange.user == "ann"
    assert exchange.client_info.user == "ann"
    assert [kind for kind, _ in exchange.admitted.identities] == ["basic", "client_certificate"]


async def test_what_is_missing_is_counted_by_kind_and_cause() -> None:
    exchange = asking(route(NOWHERE, auth=EITHER))
    assert isinstance(await admit(exchange), Refusal)
    counted = {
        labels: values for metric, labels, values in exchange.gateway.metrics.row.read() if metric is NOT_ADMITTED
    }
    assert counted == {("it", "basic", "missing"): (1,), ("it", "client_certificate", "missing"): (1,)}


CHALLENGE = ((b"WWW-Authenticate", b"A"),)
OTHER = ((b"WWW-Authenticate", b"B"),)
UNAUTHORIZED, FORBIDDEN = Refusal(401, "needed", CHALLENGE), Refusal(403, "not allowed", detail="why")
LOGIN = Refusal(302, "log in", ((b"Location", b"/login"),))
LATER = Refusal(503, "try again")


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        ([FORBIDDEN, FORBIDDEN], FORBIDDEN),
        ([FORBIDDEN, UNAUTHORIZED], UNAUTHORIZED),
        ([UNAUTHORIZED, LOGIN], LOGIN),
        ([LOGIN, UNAUTHORIZED, LATER, FORBIDDEN], LATER),
        ([FORBIDDEN, Refusal(429, "too many")], Refusal(429, "too many")),
    ],
)
def test_the_best_answer_of_several(refused: list[Refusal], expected: Refusal) -> None:
    found = joined([(f"kind{index}", refusal) for index, refusal in enumerate(refused)])
    assert (found.status, found.reason, list(found.headers)) == (
        expected.status,
        expected.reason,
        list(expected.headers),
    )
    assert found.detail == "; ".join(f"kind{i}: {each.detail or each.reason}" for i, each in enumerate(refused))


def test_all_challenges_stand_in_one_answer() -> None:
    found = joined([("a", UNAUTHORIZED), ("b", FORBIDDEN), ("c", Refusal(401, "another", OTHER))])
    assert found.headers == [*CHALLENGE, *OTHER]
    assert joined([("a", UNAUTHORIZED)]) is UNAUTHORIZED


async def test_a_backend_is_told_the_user_and_never_by_a_stranger(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), auth=EITHER))
    forged = {"X-Auth-User": "root", "X_Auth_User": "root"}
    for shown, expected in (({"Authorization": basic("ann:s\xf6same")}, ["ann"]), ({}, [])):
        await gate.connect().write(request(headers={**shown, **forged}))
        if expected:
            server = await backend.accept_request()
            assert [value for name, value in server.head.headers if "user" in name.lower()] == expected


async def test_without_auth_a_field_of_that_name_is_passed_on(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port)))
    await gate.connect().write(request(headers={"X-Auth-User": "ann"}))
    assert (await backend.accept_request()).head.one("X-Auth-User") == "ann"


def test_one_answer_for_several_challenges_names_none_of_them() -> None:
    found = joined([("a", UNAUTHORIZED), ("b", Refusal(401, "another is needed", OTHER))])
    assert found.reason == "a valid credential is needed"
