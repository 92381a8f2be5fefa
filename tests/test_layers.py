"""Imports point downwards only, and the tests mirror the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.layers import circles, violations

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "wsgate"

# Modules without a test file of their own, and where they are tested. An entry that is no longer needed fails.
TESTED_ELSEWHERE: dict[str, str] = {"ops/acme_errors.py": "tests/ops/test_acme.py and test_acme_client.py"}


def test_imports_point_downwards() -> None:
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("wire/frames.py", "import trio", "wsgate/wire/frames.py:1: wire imports trio"),
        ("wire/frames.py", "import trio.lowlevel", "wire imports trio.lowlevel"),
        ("wire/frames.py", "from time import monotonic", "wire imports time"),
        ("wire/frames.py", "def f():\n    import socket", "wsgate/wire/frames.py:2: wire imports socket"),
        ("wire/frames.py", "async def f(): ...", "wire waits"),
        ("wire/frames.py", "from wsgate.relay.pump import Pump", "wire imports wsgate.relay.pump, which is above it"),
        ("wire/frames.py", "from ..relay import pump", "wire imports wsgate.relay.pump, which is above it"),
        ("text/host.py", "import socket", "wsgate/text/host.py:1: text imports socket"),
        (
            "text/host.py",
            "from wsgate.settings.model import Target",
            "text imports wsgate.settings.model, which is abo",
        ),
        ("relay/pump.py", "from wsgate.settings.load import load", "relay imports wsgate.settings.load: below ops"),
        (
            "relay/pump.py",
            "from wsgate.settings.model.relay import Relay",
            "data of settings.model, imported from there",
        ),
        ("relay/pump.py", "from wsgate.settings import load", "relay imports wsgate.settings.load: below ops"),
        ("gate/connection.py", "from wsgate import app", "gate imports wsgate.app, which is above it"),
        ("gate/connection.py", "import wsgate.ops.log", "gate imports wsgate.ops.log, which is above it"),
        ("ops/log.py", "if TYPE_CHECKING:\n    from wsgate.app import serve", "ops imports wsgate.app, which is above"),
        ("settings/load.py", "from ..wire import frames", "settings imports wsgate.wire.frames, which is above it"),
        ("settings/model/tls.py", "import ssl", "settings imports ssl: what is on this machine is looked at in site/"),
        ("settings/model/token.py", "def f():\n    import importlib.util", "settings imports importlib.util"),
        (
            "settings/model/tls.py",
            "import os\nos.path.isfile('a')",
            "settings/model/tls.py:2: settings calls os.path.is",
        ),
        ("settings/model/tls.py", "with open('a') as file: ...", "settings calls open"),
        ("site/build.py", "from wsgate.settings.load import load", "site imports wsgate.settings.load: below ops"),
        ("settings/model/tls.py", "from wsgate.cli import main", "settings imports wsgate.cli, which is above it"),
        ("app.py", "from wsgate import demo", "app imports wsgate.demo, which is above it"),
        ("app.py", "from wsgate import websockify", "app imports wsgate.websockify, which is above it"),
        ("__init__.py", "from wsgate.app import serve", "the package's root imports wsgate.app"),
        ("extra/new.py", "", "extra has no place among the layers"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, text: str, expected: str) -> None:
    package = _legal_tree(tmp_path)
    assert violations(package) == []
    planted = package / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(text)
    (found,) = violations(package)
    assert expected in found


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (
            "settings/model/route.py",
            "from ..load import load",
            ["wsgate.settings.load", "wsgate.settings.model", "wsgate.settings.model.route"],
        ),
        (
            "settings/model/route.py",
            "def f():\n    from .. import load",
            ["wsgate.settings.load", "wsgate.settings.model", "wsgate.settings.model.route"],
        ),
        (
            "text/host.py",
            "from wsgate.settings import load",
            ["wsgate.settings.load", "wsgate.text.host"],
        ),
        (
            "settings/model/route.py",
            "if TYPE_CHECKING:\n    from wsgate.relay.pump import Pump",
            ["wsgate.relay.pump", "wsgate.settings.model", "wsgate.settings.model.route", "wsgate.wire.frames"],
        ),
    ],
)
def test_a_planted_circle_is_found(tmp_path: Path, file: str, text: str, expected: list[str]) -> None:
    package = _legal_tree(tmp_path)
    assert circles(package) == []
    (package / file).write_text(text)
    assert circles(package) == [expected]


def _legal_tree(directory: Path) -> Path:
    """A package of the same shape, with each kind of import that is allowed."""
    files = {
        "__init__.py": "__version__ = '1'",
        "__main__.py": "from wsgate.cli import main",
        "cli.py": "from wsgate import __version__, app, demo, websockify\nfrom wsgate.settings.load import load",
        "demo/__init__.py": "from wsgate import app\nfrom wsgate.settings import load",
        "websockify/__init__.py": "from wsgate import app\nfrom wsgate.settings.load import loads",
        "app.py": "import trio\nfrom wsgate.ops.log import set_up\nfrom wsgate.settings import load, model",
        "gate/connection.py": "from wsgate.relay.pump import Pump\nfrom wsgate.wire.frames import Frame",
        "relay/pump.py": "import trio\nfrom wsgate.wire import frames\nfrom wsgate.settings.model import Settings",
        "wire/frames.py": "import h11\nfrom . import masking\nfrom wsgate.settings import model",
        "wire/masking.py": "import struct",
        "text/host.py": "import re",
        "settings/load.py": "from wsgate.text import host\nfrom . import model\nfrom .model import Settings",
        "settings/model/__init__.py": "from wsgate.settings.model.route import *",
        "settings/model/route.py": "import time",
        "settings/text.py": "import os\nos.stat('a')",
        "site/build.py": "from wsgate.settings.draft import Draft\nfrom wsgate.settings.model import Settings",
        "settings/draft.py": "import os\nos.path.join('a', 'b')",
    }
    package = directory / "wsgate"
    for name, text in files.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.parent.joinpath("__init__.py").touch()
    return package


def test_every_module_has_its_test_file() -> None:
    without = {module for module, test in _tests_by_module().items() if not (PROJECT / test).exists()}
    assert without - TESTED_ELSEWHERE.keys() == set(), "write these tests, or say in TESTED_ELSEWHERE where they are"
    assert TESTED_ELSEWHERE.keys() - without == set(), "no longer needed in TESTED_ELSEWHERE"


def _tests_by_module() -> dict[str, str]:
    """``wire/frames.py`` -> ``tests/wire/test_frames.py``, ``demo/__init__.py`` -> ``tests/demo/test_demo.py``."""
    tests = {}
    for file in PACKAGE.rglob("*.py"):
        if _has_code(file):
            module = file.relative_to(PACKAGE)
            name = module.parent.name if module.stem == "__init__" else module.stem
            tests[module.as_posix()] = f"tests/{module.with_name(f'test_{name}.py').as_posix()}"
    return tests


def _has_code(file: Path) -> bool:
    """Whether a file defines something; a package's docstring, version or re-exports need no test."""
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return any(isinstance(node, definitions) for node in ast.walk(ast.parse(file.read_text())))


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {file.parent for file in (PROJECT / "tests").rglob("test_*.py")}
    loose = sorted(str(folder.relative_to(PROJECT)) for folder in folders if not (folder / "__init__.py").exists())
    assert loose == [], "two test files of the same name collide without an __init__.py beside them"
