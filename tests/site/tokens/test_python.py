"""The operator's own code: its failures affect only its own route."""

from __future__ import annotations

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
    ("module", "name", "key", "problem"),
    [
        (
            "no_such_module",
            "x",
            "call",
            "there is no module no_such_module: install it, or put",
        ),
        (MODULE, "nothing", "call", f"{MODULE} has no nothing"),
        (MODULE, "instance.nothing", "call", f"{MODULE}.instance has no nothing"),
        (MODULE, "number", "call", "number is neither a function nor a class with a method lookup"),
        (MODULE, "Nothing", "call", "the class Nothing has no method lookup.token.: write one"),
        (MODULE, "Failing", "call", f"making {MODULE}:Failing with the source None raised OSError: no database"),
    ],
)
def test_wrong_at_the_start(module: str, name: str, key: str, problem: str) -> None:
    with pytest.raises(SourceError, match=f"^{problem}") as caught:
        source(name, module=module)
    assert caught.value.key == f"python.{key}"


@pytest.mark.parametrize("name", ["look_up", "instance"])
def test_only_a_class_is_made_with_a_source(name: str) -> None:
    nothing = f"it would do nothing, only a class is made with it, and {name} is none: remove it"
    with pytest.raises(SourceError, match=f"^{nothing}$") as caught:
        source(name, "redis:6379")
    assert caught.value.key == "python.source"


def test_a_class_that_takes_no_source() -> None:
    with pytest.raises(SourceError, match="with the source 'x' raised TypeError") as caught:
        source("Bare", "x")
    assert caught.value.key == "python.source"
