import pickle
from typing import Any

import pytest

from wsgate.settings.draft import Broken, Draft, is_whole
from wsgate.settings.load import reads
from wsgate.settings.model import Certificate
from wsgate.settings.problem import ConfigError, Problem

BROKEN: Any = Broken()
MINIMAL = "listeners: [{bind: 127.0.0.1:1}]\nroutes: [{name: a, origins: any, relay: {to: ws://x}}]\n"


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (None, True),
        ((), True),
        (("a", (1,)), True),
        (Certificate(), True),
        (BROKEN, False),
        ((1, BROKEN), False),
        (Certificate(key=BROKEN), False),
        ((Certificate(), Certificate(certificate=BROKEN)), False),
    ],
)
def test_a_value_is_whole_where_nothing_below_it_is_broken(value: object, whole: bool) -> None:
    assert is_whole(value) is whole


def test_what_is_noted_later_stands_in_file_order() -> None:
    draft = reads(f"{MINIMAL}workers: none\n", "f")
    draft.fault("routes[0].relay.to", "second")
    draft.fault("listeners[0].tls.key", "first")
    draft.warn("routes[0]", "warned")
    told: list[Problem] = []
    with pytest.raises(ConfigError) as caught:
        draft.finish(told.append)
    assert [(problem.line, problem.col, problem.path) for problem in caught.value.problems] == [
        (1, 13, "listeners[0].tls.key"),  # which the file does not have
        (2, 46, "routes[0].relay.to"),
        (3, 10, "workers"),
    ]
    assert list(map(str, told)) == ["f:2:10: warning: routes[0]: warned"]


def test_places_survive_pickling() -> None:
    settings = pickle.loads(pickle.dumps(reads(MINIMAL, "f").finish()))
    draft = Draft.of(settings)
    draft.fault("routes[0].name", "wrong")
    assert draft.is_wrong("routes[0].name")
    assert not draft.is_wrong("routes[0]")
    assert str(draft.problems[0]) == "f:2:17: routes[0].name: wrong"


def test_faults_below_a_value() -> None:
    draft = Draft(BROKEN)
    draft.faults("routes[0].tls", [("", "wrong"), ("ca", "gone")])
    assert [(problem.path, problem.message) for problem in draft.problems] == [
        ("routes[0].tls", "wrong"),
        ("routes[0].tls.ca", "gone"),
    ]
