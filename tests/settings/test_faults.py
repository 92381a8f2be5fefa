from dataclasses import dataclass
from typing import Any

import pytest

from wsgate.settings import faults
from wsgate.settings.draft import Broken

BROKEN: Any = Broken()


@dataclass
class Either:
    one: Any = None
    two: Any = ()
    three: Any = None


class Noted(list[tuple[str, str]]):
    def fault(self, path: str, message: str) -> None:
        self.append((path, message))


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (Either(one=1), None),
        (Either(two=(BROKEN,)), None),
        (Either(), "has none of one, two, three: write exactly one of them"),
        (Either(one=1, two=(2,)), "has one and two: write exactly one of one, two, three"),
        (Either(one=1, two=(2,), three=3), "has one and two and three: write exactly one of one, two, three"),
        # the Broken may be the one that is meant; and two are too many with it and without it
        (Either(one=BROKEN), None),
        (Either(one=1, three=BROKEN), None),
        (Either(one=1, two=(2,), three=BROKEN), "has one and two: write exactly one of one, two, three"),
    ],
)
def test_one_of_several_keys_is_written(mapping: Either, message: str | None, noted: Noted) -> None:
    faults.check_choice(mapping, ("one", "two", "three"), "x", noted.fault)
    assert noted == ([] if message is None else [("x", message)])


def test_a_broken_list_has_no_items() -> None:
    assert list(faults.items(BROKEN)) == []
    assert list(faults.items(("a", BROKEN))) == [(0, "a"), (1, BROKEN)]
