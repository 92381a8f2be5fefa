import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wsgate.settings import faults
from wsgate.settings.decode import Broken
from wsgate.settings.model import Certificate

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
    assert faults.is_whole(value) is whole


def test_faults_below_a_path_are_passed_on(noted: Noted) -> None:
    faults.pass_on([("", "a"), ("b", "c")], "x.y", noted.fault)
    assert noted == [("x.y", "a"), ("x.y.b", "c")]


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


def test_a_file_that_is_named_can_be_read(tmp_path: Path, noted: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    file, none = tmp_path / "file", tmp_path / "none"
    file.touch()
    os.mkfifo(tmp_path / "fifo")
    for named in (None, BROKEN, str(file)):
        faults.check_file(named, "right", noted.fault)
    faults.check_file(str(none), "none", noted.fault)
    faults.check_file(str(tmp_path), "directory", noted.fault)
    faults.check_file(str(tmp_path / "fifo"), "fifo", noted.fault)
    monkeypatch.setattr(os, "access", denied(str(file), os.R_OK))
    faults.check_file(str(file), "denied", noted.fault)
    assert noted == [
        ("none", f"the file {str(none)!r} does not exist"),
        ("directory", f"{str(tmp_path)!r} is not a file"),
        ("fifo", f"{str(tmp_path / 'fifo')!r} is not a file"),
        ("denied", f"the file {str(file)!r} cannot be read: permit it to the user that runs wsgate"),
    ]


@pytest.mark.parametrize(
    ("needs", "lacking", "message"),
    [
        (os.X_OK, os.X_OK, "cannot be read"),
        (os.X_OK, os.R_OK, None),
        (os.R_OK, os.R_OK, "cannot be read"),
        (os.R_OK, os.X_OK, "cannot be read"),
        (os.W_OK, os.W_OK, "cannot be written to"),
        (os.W_OK, os.X_OK, "cannot be written to"),
        (os.W_OK, os.R_OK, None),
    ],
)
def test_a_directory_can_be_used_as_it_needs_to_be(
    needs: int, lacking: int, message: str | None, tmp_path: Path, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.check_directory(str(tmp_path), "right", noted.fault, needs)
    assert noted == []
    monkeypatch.setattr(os, "access", denied(str(tmp_path), lacking))
    faults.check_directory(str(tmp_path), "x", noted.fault, needs)
    said = f"the directory {str(tmp_path)!r} {message}: permit it to the user that runs wsgate"
    assert noted == ([] if message is None else [("x", said)])


def denied(path: str, lacking: int) -> Any:
    """os.access() for a user who is not root, as the tests often are."""

    def access(asked: str, mode: int, *, effective_ids: bool) -> bool:
        assert asked == path
        assert effective_ids
        return not mode & lacking

    return access


def test_a_directory_is_a_directory(tmp_path: Path, noted: Noted) -> None:
    file, none = str(tmp_path / "file"), str(tmp_path / "none")
    Path(file).touch()
    for directory in (None, BROKEN):
        faults.check_directory(directory, "right", noted.fault)
    faults.check_directory(file, "file", noted.fault)
    faults.check_directory(none, "none", noted.fault)
    assert noted == [
        ("file", f"the directory {file!r} is not a directory"),
        ("none", f"the directory {none!r} does not exist"),
    ]


def test_an_item_of_a_list_has_its_path_and_one_alone_the_lists() -> None:
    assert faults.at("a.b", 0, {"a.b"}) == "a.b"
    assert faults.at("a.b", 0, {"a.b", "a.b[0]"}) == "a.b[0]"
    assert faults.at("a.b", 1, {"a.b", "a.b[0]", "a.b[1]"}) == "a.b[1]"


def test_a_broken_list_has_no_items() -> None:
    assert list(faults.items(BROKEN)) == []
    assert list(faults.items(("a", BROKEN))) == [(0, "a"), (1, BROKEN)]


def test_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults.is_installed("json")
    assert not faults.is_installed("no_such_module")
    monkeypatch.setitem(sys.modules, "json", None)
    assert not faults.is_installed("json")
    monkeypatch.setitem(sys.modules, "json", SimpleNamespace(__spec__=None))
    assert faults.is_installed("json")
