from __future__ import annotations

from wsgate.gate.auth.identity import NOBODY, Admitted, Identity


def test_nobody() -> None:
    assert NOBODY.user is None
    assert list(NOBODY.fields) == []


def test_the_first_known_name_and_the_fields_of_all() -> None:
    several = Admitted(
        [
            ("client_certificate", Identity(None, [(b"A", b"1")])),
            ("basic", Identity("ann", [(b"B", b"2")])),
            ("other", Identity("bob")),
        ]
    )
    assert several.user == "ann"
    assert several.fields == [(b"A", b"1"), (b"B", b"2")]


def test_the_first_expiry_counts() -> None:
    assert Admitted([("basic", Identity("ann")), ("jwt", Identity("ann", expires=20.0))]).expires == 20.0
    assert Admitted([("a", Identity(expires=30.0)), ("b", Identity(expires=20.0))]).expires == 20.0
    assert NOBODY.expires is None


def test_fields_for_the_client_of_all() -> None:
    assert Admitted([("a", Identity(answer_fields=[(b"A", b"1")])), ("b", Identity())]).answer_fields == [(b"A", b"1")]
