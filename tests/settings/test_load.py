"""Invalid configurations as golden files: invalid/NAME.yaml, with its messages in NAME.expect.

``syntax-*`` are no YAML, or use parts of it that are not allowed; ``shape-*`` are refused by the JSON Schema too;
``meaning-*`` only by the loader. ``WSGATE_UPDATE_EXPECT=1 pytest tests/settings/test_load.py`` writes the .expect
files.
"""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tests.settings.checked import load_checked
from wsgate.settings import nodes
from wsgate.settings.faults import ReportFault, ReportWarning
from wsgate.settings.load import ConfigError, Problem, load, loads, reads
from wsgate.settings.model import Files, Relay, Settings
from wsgate.site.build import try_out

LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]
INVALID = Path(__file__).parent / "invalid"
CONFIG = Path(__file__).parents[2] / "config"
MINIMAL = "listeners: [{bind: 127.0.0.1:1}]\nroutes: [{name: a, relay: {to: ws://x}}]\n"


def problems(path: Path | str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load_checked(str(path))
    return caught.value.problems


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("path", sorted(INVALID.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_wrong_file_is_refused_with_every_fault(path: Path, loader: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "Loader", loader)
    monkeypatch.chdir(INVALID)
    said = "".join(f"{problem}\n" for problem in problems(path.name)).replace(str(INVALID), "DIRECTORY")
    expect = path.with_suffix(".expect")
    if os.environ.get("WSGATE_UPDATE_EXPECT"):
        expect.write_text(said, encoding="utf-8")
    assert said == expect.read_text(encoding="utf-8")


def test_problems_are_in_file_order() -> None:
    found = problems(INVALID / "shape-and-meaning-at-once.yaml")
    assert [(p.line, p.col) for p in found] == sorted((p.line, p.col) for p in found)
    assert len({p.line for p in found}) > 8


def test_warnings_in_file_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn_twice(settings: Settings, fault: ReportFault, warn: ReportWarning, given: object) -> None:
        warn("routes[0].relay.to", "second")
        warn("listeners", "first")

    monkeypatch.setattr("wsgate.settings.load.check", warn_twice)
    told: list[str] = []
    assert loads(MINIMAL, "f", lambda warning: told.append(str(warning))).routes
    assert told == ["f:1:12: warning: listeners: first", "f:2:32: warning: routes[0].relay.to: second"]
    told.clear()
    with pytest.raises(ConfigError) as caught:
        loads(MINIMAL + "x: 1\n", "f", lambda warning: told.append(str(warning)))
    assert len(told) == 2
    assert [problem.path for problem in caught.value.problems] == [""]
    assert loads(MINIMAL, "f").routes  # without ``warn`` nothing is reported


def test_a_file_becomes_settings(tmp_path: Path) -> None:
    path = tmp_path / "wsgate.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    settings = load(str(path))
    assert [type(route.action) for route in settings.routes] == [Relay]


def test_relative_paths_begin_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf" / "site").mkdir(parents=True)
    (tmp_path / "conf" / "wsgate.yaml").write_text(
        "listeners: [{bind: 127.0.0.1:1}]\nroutes: [{name: a, files: {root: site}}]\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    settings = load("conf/wsgate.yaml")
    assert settings.routes[0].action == Files(root=str(tmp_path / "conf" / "site"))


def test_a_file_may_begin_with_a_byte_order_mark_and_have_crlf(tmp_path: Path) -> None:
    path = tmp_path / "wsgate.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load(str(path)) == loads(MINIMAL, "x")


def loads_or_refuses(text: str) -> None:
    """Reading and building a file ends with Settings or with ConfigError, never with another exception."""
    try:
        draft = reads(text, str(CONFIG / "fuzz.yaml"))
        try_out(draft)
    except ConfigError as refused:
        found = refused.problems
    else:
        assert isinstance(draft.settings, Settings)
        return
    assert found
    assert all(problem.line >= 1 and problem.col >= 1 and problem.message for problem in found)


VALID = [path.read_text(encoding="utf-8") for path in sorted(CONFIG.glob("*.yaml"))]
# Pieces that mean something to YAML or to the loader.
PIECES = st.one_of(
    st.sampled_from(list("*&!|>'\"%@`:-?,[]{}#~=.\t\n\x00\x85\u2028\ufeffé")),
    st.sampled_from(["<<", "---", "...", "&a", "*a", "&a [*a]", "!!int", '"\\ud800"', "💥"]),
    st.sampled_from(["on", "off", "null", "true", "0", "-1", "1e9", "12:30", ".inf", "0x1f", "5s", "16MiB"]),
    st.sampled_from(
        ["/*", "~(", "~[[a]", "unix:", "ws://", "wss://", "tcp://", "relay", "tunnel", "files", "defaults"]
    ),
    st.text(max_size=5),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A right file with a few pieces of it cut, moved, repeated or replaced."""
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        to = draw(st.integers(0, len(text)))
        piece = draw(PIECES | st.just(text[start:end]))
        text = text[:start] + draw(st.sampled_from([piece, ""])) + text[end:]
        text = text[:to] + draw(st.sampled_from([piece, ""])) + text[to:]
    return text


@given(text=st.text() | st.lists(PIECES).map("".join) | st.lists(PIECES).map(" ".join))
@example("listeners: &a [*a]")
@example("\ud800")
@example("*" * 1000)
@example("{" * 1000)
@example("&a " * 1000)
@example("a: " * 1000)
@example("? " * 1000)
@example('routes: "\\ud83d\\ude00"')
def test_any_text_is_settings_or_a_config_error(text: str) -> None:
    loads_or_refuses(text)


@given(text=mutated())
def test_any_change_of_a_right_file_is_settings_or_a_config_error(text: str) -> None:
    loads_or_refuses(text)


@given(text=mutated())
def test_libyaml_and_the_python_parser_agree(text: str) -> None:
    results: list[object] = []
    for loader in LOADERS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nodes, "Loader", loader)
            try:
                results.append(loads(text, "f.yaml"))
            except ConfigError as error:
                # The two differ in their messages for broken YAML, a little in what they accept, and in the column
                # of a value that is not there.
                said = [(problem.line, problem.path, problem.message) for problem in error.problems]
                results.append(None if "not valid YAML" in str(error) else said)
    assert results[0] == results[-1] or None in results
