"""The operator's own code: its failures affect only its own route."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.site.tokens import plugins
from wsgate.settings.model import EntryPoint, Lookup, Target, TcpAddress, UnixAddress
from wsgate.site.tokens.python import PythonSource
from wsgate.site.tokens.source import SourceError

MODULE = "tests.site.tokens.plugins"
DESK = (Target(TcpAddress("10.0.0.1", 5900)),)


def source(name: str, argument: str | None = None, *, module: str = MODULE, tls: bool = False) -> PythonSource:
    return PythonSource(Lookup(call=EntryPoint(module, name), source=argument), tls)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("look_up", None),
        ("look_up_async", None),
        ("Plugin", "here"),
        ("Bare", None),
        ("instance", None),
        ("instance.lookup", None),
        ("called", None),
    ],
)
async def test_functions_and_classes(name: str, argument: str | None) -> None:
    found = source(name, argument)
    assert await found.look_up("desk") == DESK
    assert await found.look_up("text") == DESK
    assert await found.look_up("unix") == (Target(UnixAddress("/run/x")),)
    assert await found.look_up("other") is None


async def test_a_class_is_made_as_websockify_makes_it() -> None:
    assert await source("Plugin").look_up("desk") is None  # with None
    assert await source("look_up", tls=True).look_up("desk") == (Target(TcpAddress("10.0.0.1", 5900), tls=True),)


@pytest.mark.parametrize(
    ("name", "raised"), [("broken", "RuntimeError"), ("broken_async", "LookupError"), ("leave", "SystemExit")]
)
@pytest.mark.parametrize("token", ["qqq", "qqq'qqq\"", "qqq qqq/grün"])
async def test_what_it_raises_is_told_without_the_token(name: str, raised: str, token: str) -> None:
    with pytest.raises(SourceError, match=f"^{MODULE}:{name} raised {raised}$") as caught:
        await source(name).look_up(token)
    trace = caught.value.trace
    assert "plugins.py" in trace
    assert f"{raised}: " in trace
    assert "…" in trace
    assert "qqq" not in trace


async def test_what_is_no_target() -> None:
    with pytest.raises(SourceError, match=f"^{MODULE}:returned: what it returned is no target"):
        await source("returned").look_up("secret")


async def test_a_function_that_hangs_holds_up_nobody() -> None:
    found = source("hang")
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(found.look_up, "secret")
            while not found._limiter.borrowed_tokens:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert found._limiter.borrowed_tokens == 1  # its thread counts until it is over
        assert await source("look_up").look_up("desk") == DESK
    finally:
        plugins.release.set()


@pytest.mark.parametrize(
    ("module", "name", "problem"),
    [
        ("no_such_module", "x", "importing no_such_module raised ModuleNotFoundError: .*put its directory on PYTHONPA"),
        (MODULE, "nothing", f"{MODULE} has no nothing"),
        (MODULE, "instance.nothing", "has no instance.nothing"),
        (MODULE, "number", "is neither a function nor a class with a method lookup"),
        (MODULE, "Nothing", "has no method lookup"),
        (MODULE, "Failing", "making it with the source None raised OSError: no database"),
    ],
)
def test_wrong_at_the_start(module: str, name: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        source(name, module=module)


def test_a_class_that_takes_no_source() -> None:
    with pytest.raises(SourceError, match="making it with the source 'x' raised TypeError"):
        source("Bare", "x")


@pytest.mark.parametrize("text", ["1/0", "raise SystemExit(3)", "def f(:"])
def test_a_module_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "plugin_of_test.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SourceError, match=r"importing plugin_of_test raised .*: mend it$"):
        source("x", module="plugin_of_test")
