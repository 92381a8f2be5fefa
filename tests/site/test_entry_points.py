import sys
from pathlib import Path

import pytest

from wsgate.settings.model import EntryPoint
from wsgate.site.entry_points import NotThere, find

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


def problem(call: str) -> str:
    with pytest.raises(NotThere) as caught:
        find(EntryPoint(*call.split(":")))
    return str(caught.value)


@pytest.mark.parametrize("name", ["ask", "Desks", "Desks.static", "made", "made.lookup", "port"])
def test_an_object_of_a_module(name: str, modules: Path) -> None:
    (modules / "desks.py").write_text(MODULE)
    found = find(EntryPoint("desks", name))
    assert found == eval(name, vars(sys.modules["desks"]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Desk", "desks has no Desk; did you mean 'Desks'?"),
        ("xyzzy", "desks has no xyzzy: write it, or another name"),
        ("Desks.statc", "desks.Desks has no statc; did you mean 'static'?"),
    ],
)
def test_a_name_that_is_not_there(name: str, message: str, modules: Path) -> None:
    (modules / "desks.py").write_text(MODULE)
    assert problem(f"desks:{name}") == message


@pytest.mark.parametrize("module", ["desks", "desks.lookup", "json.decoder.desks"])
def test_a_module_that_is_not_there_is_a_fault(module: str, modules: Path) -> None:
    cure = "install it, or put its directory on PYTHONPATH"
    assert problem(f"{module}:f") == f"there is no module {module}: {cure}"


def test_a_module_may_come_later(modules: Path) -> None:
    assert problem("desks:look")
    (modules / "desks.py").write_text(MODULE)
    assert find(EntryPoint("desks", "look"))


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
    assert problem("desks:look") == f"importing desks raised {words}: mend it"
