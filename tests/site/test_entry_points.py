import sys
from pathlib import Path

import pytest

from wsgate.settings.model import EntryPoint, Lookup
from wsgate.site.entry_points import check_entry_point

MODULE = """
async def ask(token): ...
def look(token): ...
class Desks:
    def __init__(self, source): raise RuntimeError
    def lookup(self, token): ...
    @staticmethod
    def static(token): ...
class Empty:
    lookup = "desk"
class Made:
    def lookup(self, token): ...
made = Made()
port = 5900
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the path of Python."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def faults(call: str, source: str | None = None) -> list[tuple[str, str]]:
    return check_entry_point(Lookup(call=EntryPoint(*call.split(":")), source=source))


@pytest.mark.parametrize("name", ["ask", "look", "Desks", "Desks.static", "made", "made.lookup"])
def test_what_looks_up_is_right(name: str, modules: Path) -> None:
    (modules / "desks.py").write_text(MODULE)
    assert faults(f"desks:{name}") == []


def test_a_class_may_have_a_source_and_is_not_made_here(modules: Path) -> None:
    (modules / "desks.py").write_text(MODULE)
    assert faults("desks:Desks", "redis:6379") == []
    for name in ("look", "made"):
        nothing = f"it would do nothing, only a class is made with it, and {name} is none: remove it"
        assert faults(f"desks:{name}", "redis:6379") == [("source", nothing)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Desk", "desks has no Desk; did you mean 'Desks'?"),
        ("xyzzy", "desks has no xyzzy: write it, or another name"),
        ("Desks.statc", "desks.Desks has no statc; did you mean 'static'?"),
        ("Empty", "the class Empty has no method lookup(token): write one"),
        ("port", "port is neither a function nor a class with a method lookup(token)"),
    ],
)
def test_what_does_not_look_up_is_a_fault(name: str, message: str, modules: Path) -> None:
    (modules / "desks.py").write_text(MODULE)
    assert faults(f"desks:{name}") == [("call", message)]


@pytest.mark.parametrize("module", ["desks", "desks.lookup", "json.decoder.desks"])
def test_a_module_that_is_not_there_is_a_fault(module: str, modules: Path) -> None:
    cure = "install it, or put its directory on PYTHONPATH"
    assert faults(f"{module}:f") == [("call", f"there is no module {module}: {cure}")]


def test_a_module_may_come_later(modules: Path) -> None:
    assert faults("desks:look")
    (modules / "desks.py").write_text(MODULE)
    assert faults("desks:look") == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('a\\nb')", "ValueError: a b"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("(", "SyntaxError: '(' was never closed (desks.py, line 1)"),
    ],
)
def test_whatever_a_module_raises_is_a_fault(code: str, words: str, modules: Path) -> None:
    (modules / "desks.py").write_text(f"{code}\n")
    assert faults("desks:look") == [("call", f"importing desks raised {words}: mend it")]
