from __future__ import annotations

import pytest

from wsgate.settings.model import ToBackend, ToClient
from wsgate.site.field_changes import FieldChanges, field_changes

VALUES = {"user": "zoë\r\nX: y", "address": "192.0.2.7"}
SENT = [(b"X-User", b"me"), (b"X_User", b"me"), (b"cookie", b"a=b"), (b"X-Other", b"1")]


def value_of(name: str) -> str:
    return VALUES.get(name, "")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (ToClient(add=(("X-Other", "2"),)), [*SENT, (b"X-Other", b"2")]),
        (ToClient(set_=(("X-USER", "2"),)), [*SENT[2:], (b"X-USER", b"2")]),
        (ToClient(set_=(("x_user", "2"),)), [*SENT[2:], (b"x_user", b"2")]),
        (ToClient(remove=("cookie", "x-user")), SENT[3:]),
        (ToClient(set_=(("X-User", "{user}"),)), [*SENT[2:], (b"X-User", b"zo%C3%AB%0D%0AX: y")]),
        (ToClient(set_=(("X-User", "{subject}"),)), SENT[2:]),
        (ToClient(add=(("X-By", "for {address} \xe9"),)), [*SENT, (b"X-By", b"for 192.0.2.7 \xe9")]),
        (ToClient(add=(("X-By", "{subject}"),)), SENT),
    ],
)
def test_what_becomes_of_fields(changes: ToClient, expected: list[tuple[bytes, bytes]]) -> None:
    """Names that servers cannot tell apart are one: a client cannot write what is set."""
    made = field_changes(changes)
    assert made is not None
    assert made.apply(SENT, value_of) == expected


def test_no_changes() -> None:
    assert field_changes(ToBackend()) is None


def test_the_names_that_are_dropped() -> None:
    assert FieldChanges(ToBackend(set_=(("X_A", "1"),), add=(("B", "2"),), remove=("c",))).dropped == {
        b"x_a",
        b"x-a",
        b"c",
    }
