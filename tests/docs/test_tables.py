"""What the pages list is what the code has: statuses, commands, defaults, keys."""

from __future__ import annotations

import ast
import dataclasses
import re

import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, table
from wsgate import cli
from wsgate.cli import main
from wsgate.gate.auth.revocation import REASON as CREDENTIAL_REASON
from wsgate.gate.revoke import REASON
from wsgate.relay.closing import CLOSE_BY_GATEWAY, CLOSE_TO_CAUSER, CLOSE_TO_OTHER, DRAIN_REASON
from wsgate.settings.model import Defaults, Drain, Heartbeat
from wsgate.wire.fault import CloseCode

DOCS = ROOT / "docs"
FULL = ROOT / "config" / "full.yaml"


def refused_with() -> set[int]:
    """The statuses of all refusals in the code."""
    found: set[int] = set()
    for file in (ROOT / "wsgate").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
                status = node.args[0]
                if isinstance(status, ast.Constant) and isinstance(status.value, int):
                    found.add(status.value)
    return found


def test_every_status_is_told() -> None:
    told = {
        int(status) for row in table(DOCS / "troubleshooting.md", "status") for status in re.findall(r"\d{3}", row[0])
    }
    assert told == refused_with()


def test_every_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = re.findall(r"^    (\w+)(?: +\S|$)", capsys.readouterr().out, re.MULTILINE)
    told = [re.match(r"`wsgate (\w+)", row[0]) for row in table(DOCS / "commands.md", "command")]
    assert {found[1] for found in told if found} == set(listed)


def test_the_defaults_of_heartbeat_and_timeouts() -> None:
    told = {row[0].strip("`"): row[1] for row in table(DOCS / "timeouts.md", "key")}
    defaults = Defaults()
    for group in (defaults.heartbeat, defaults.timeouts):
        assert group is not None
        name = "heartbeat" if isinstance(group, Heartbeat) else "timeouts"
        for field in dataclasses.fields(group):
            value = getattr(group, field.name)
            assert told.pop(f"{name}.{field.name}") == ("off" if value in (None, float("inf")) else f"{value:g}s")
    assert told == {}


def test_the_words_of_every_ending() -> None:
    """The texts for both sides are in one row; the part behind a colon is the rule."""
    words = [
        *(close.reason for close in CLOSE_TO_OTHER.values()),
        *(close.reason for close in (*CLOSE_TO_CAUSER.values(), *CLOSE_BY_GATEWAY.values())),
    ]
    meant = {word.decode().replace("backend", "client") for word in [*words, DRAIN_REASON, REASON, CREDENTIAL_REASON]}
    rows = table(DOCS / "troubleshooting.md", "one side")
    told = {
        text.rstrip(":").replace("backend", "client")
        for row in rows
        for cell in row[1:]
        for text in re.findall(r"`([a-zA-Z' ]+:?)`", cell)
    }
    assert told == meant


def test_every_close_code_of_the_gateway_is_told() -> None:
    told = {int(code) for row in table(DOCS / "troubleshooting.md", "code") for code in re.findall(r"\d{4}", row[0])}
    ours = {close.code for close in (*CLOSE_TO_OTHER.values(), *CLOSE_TO_CAUSER.values(), *CLOSE_BY_GATEWAY.values())}
    only_passed_on = {CloseCode.MANDATORY_EXTENSION, CloseCode.BAD_GATEWAY}
    assert ours.isdisjoint(only_passed_on)
    assert told >= {*ours, *CloseCode, Drain().code} - only_passed_on


def keys_in(value: object) -> set[str]:
    if isinstance(value, dict):
        # PyYAML reads YAML 1.1, in which on is true
        return {"on" if key is True else str(key) for key in value} | {
            key for inner in value.values() for key in keys_in(inner)
        }
    if isinstance(value, list):
        return {key for inner in value for key in keys_in(inner)}
    return set()


# Names that the operator chooses in full.yaml
CHOSEN = {"X-Frame-Options", "Content-Security-Policy"}


@pytest.mark.parametrize("key", sorted(keys_in(yaml.safe_load(FULL.read_text())) - CHOSEN))
def test_every_key_is_told_of(key: str) -> None:
    told = "\n".join(page.read_text() for page in PAGES)
    assert re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", told), f"{key} stands in full.yaml and on no page"


def test_exit_statuses() -> None:
    """The command's own help has those of docs/operations.md."""
    told = {int(row[0]) for row in table(DOCS / "operations.md", "status")}
    assert told == {int(status) for status in re.findall(r"^  (\d+) ", cli._EPILOG, re.MULTILINE)}
