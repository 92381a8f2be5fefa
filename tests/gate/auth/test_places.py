from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.gate.auth.places import find_credential, offer_without, target_without
from wsgate.gate.request_values import parameter_name, query_values
from wsgate.settings.model import CredentialPlace, CredentialPlaceKind
from wsgate.wire.handshake import Upgrade
from wsgate.wire.http import Refusal, Request

HEADER = CredentialPlace(CredentialPlaceKind.HEADER, "x-api-key")
AUTHORIZATION = CredentialPlace(CredentialPlaceKind.HEADER, "authorization")
QUERY = CredentialPlace(CredentialPlaceKind.QUERY, "key")
COOKIE = CredentialPlace(CredentialPlaceKind.COOKIE, "sid")
SUBPROTOCOL = CredentialPlace(CredentialPlaceKind.SUBPROTOCOL, "bearer.")
ALL = (HEADER, AUTHORIZATION, QUERY, COOKIE, SUBPROTOCOL)


def asked(target: bytes = b"/", *fields: tuple[bytes, bytes]) -> Request:
    return Request(b"GET", target, b"gate", b"1.1", fields, fields)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked(), None),
        (asked(b"/?a=1&key="), None),
        (asked(b"/", (b"x-api-key", b"one")), "one"),
        (asked(b"/", (b"authorization", b"Bearer one")), "one"),
        (asked(b"/", (b"authorization", b"bearer   one ")), "one"),
        (asked(b"/", (b"authorization", b"Basic YTpi")), None),
        (asked(b"/", (b"authorization", b"one")), None),
        (asked(b"/?a=1&key=one"), "one"),
        (asked(b"/?%6bey=o%6ee+two"), "one two"),
        (asked(b"/", (b"cookie", b"a=b; sid=one")), "one"),
        (asked(b"/", (b"cookie", b'sid="on%65"')), "one"),
        (asked(b"/", (b"sec-websocket-protocol", b"chat, bearer.one")), "one"),
        (asked(b"/?key=two", (b"x-api-key", b"one")), "one"),
    ],
)
def test_the_first_place_that_has_one(request_: Request, expected: str | None) -> None:
    assert find_credential(ALL, request_) == expected


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (asked(b"/?key=one&key=two"), "in query:key"),
        (asked(b"/?key=one&%6Bey=one"), "in query:key"),
        (asked(b"/", (b"x-api-key", b"one"), (b"x-api-key", b"two")), "in header:x-api-key"),
        (asked(b"/", (b"authorization", b"Basic a"), (b"authorization", b"Bearer b")), "in header:authorization"),
        (asked(b"/", (b"cookie", b"sid=one"), (b"cookie", b"sid=two")), "in cookie:sid"),
        (asked(b"/", (b"sec-websocket-protocol", b"bearer.one, bearer.two")), "in subprotocol:bearer."),
    ],
)
def test_one_that_is_sent_twice_is_refused(request_: Request, detail: str) -> None:
    found = find_credential(ALL, request_)
    assert found == Refusal(400, "a credential is sent twice", detail=detail, cause="malformed")


@pytest.mark.parametrize("value", [b"%ff", b"%00", b"a%0d%0aX: b"])
def test_one_that_is_no_text_is_refused(value: bytes) -> None:
    found = find_credential((QUERY,), asked(b"/?key=" + value))
    assert found == Refusal(400, "a credential is malformed", detail="in query:key", cause="malformed")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/a", b"/a"),
        (b"/a?", b"/a?"),
        (b"/a?b=key&keys=1", b"/a?b=key&keys=1"),
        (b"/a?key=1", b"/a"),
        (b"/a?b=1&key=2&c=3&k%65y=4", b"/a?b=1&c=3"),
        (b"/a?key", b"/a"),
        (b"/key?b=1", b"/key?b=1"),
    ],
)
def test_backends_get_no_credential_of_the_query(target: bytes, expected: bytes) -> None:
    assert target_without(ALL, target) == expected
    assert target_without((HEADER, COOKIE), target) == target


def test_backends_are_offered_no_credential() -> None:
    offer = Upgrade(b"key", (b"chat", b"bearer.one", b"bearer"), [])
    assert offer_without(ALL, offer).subprotocols == (b"chat", b"bearer")
    assert offer_without((QUERY,), offer) is offer
    plain = Upgrade(b"key", (b"chat",), [])
    assert offer_without(ALL, plain) is plain


PIECES = st.lists(
    st.sampled_from((b"key", b"%6bey", b"KEY", b"=", b"&", b"?", b"+", b"%", b"a", b";", b"%00", b"\xff"))
)


@given(PIECES)
def test_no_spelling_carries_a_credential_to_a_backend(pieces: list[bytes]) -> None:
    """And nothing else is changed: the parameters that are left are a part of what was sent, in order."""
    target = b"/path?" + b"".join(pieces)
    passed_on = target_without(ALL, target)
    assert list(query_values("key", asked(passed_on))) == []
    sent, left = target[6:].split(b"&"), passed_on[6:].split(b"&") if b"?" in passed_on else []
    assert left == [pair for pair in sent if parameter_name(pair) != "key"]
