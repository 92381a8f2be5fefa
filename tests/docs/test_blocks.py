"""No block of a page is there untested: each language has its test, and what has no language stands in a table."""

from __future__ import annotations

import json
import re

import pytest

from tests.docs.pages import ROOT, blocks
from tests.layers import LAYERS
from wsgate.settings.backend_file import read_backends
from wsgate.site.tokens.file import parse

# Which test takes all blocks in a language
LANGUAGES = {
    "caddyfile": "tests/e2e/test_behind_a_proxy.py",
    "console": "tests/docs/test_console.py",
    "haproxy": "tests/e2e/test_behind_a_proxy.py",
    "ini": "tests/deploy/test_service.py",
    "javascript": "tests/e2e/test_access_jwt.py",
    "json": "tests/docs/test_log_lines.py",
    "log": "tests/docs/test_log_lines.py",
    "nginx": "tests/e2e/test_behind_a_proxy.py",
    "sh": "tests/docs/test_shell.py",
    "ssh-config": "tests/e2e/test_ssh.py",
    "text": "PLAIN, below",
    "yaml": "tests/docs/test_yaml.py",
}

# Blocks without a language of their own, by their first line, and what shows that they are true
PLAIN = {
    "cli, demo, websockify, recording, commands": "the layers: test_the_layers_are_those_that_are_held",
    "# written by deploy.sh": "a file of backends: test_the_file_of_backends_loads",
    "/var/log/wsgate.log {": "logrotate's file: tests/e2e/test_log_to.py renames the log, and sends its signal",
    "# a comment": "a token file: test_the_token_file_loads",
    "no TLS with 10.0.0.8:9443: the peer's certificate is not accepted: unable to get local issuer certificate;": (
        "tests/e2e/test_tls_backends.py has these words"
    ),
    "08:00:00 info    session: chat: 203.0.113.9 (through 10.0.0.1:52100, user alice) for chat.example.com/room": (
        "a session in the log for people: tests/ops/test_log_sentences.py compares it"
    ),
    "session 2-1f: chat, 192.0.2.7:53142 (ann) to ws://127.0.0.1:9000": (
        "wsgate tap: tests/commands/test_tap_lines.py compares it"
    ),
    "wsgate 0.1.0  ready  3 sessions                      unix:/run/wsgate/admin.sock": (
        "wsgate top: tests/commands/test_top_screen.py draws it"
    ),
}


def test_every_language_has_its_test() -> None:
    assert {block.place for block in blocks() if block.language not in LANGUAGES} == set()
    assert LANGUAGES.keys() - {block.language for block in blocks()} == set(), "no longer needed in LANGUAGES"


def test_every_plain_block_is_shown_to_be_true() -> None:
    first_lines = {block.text.partition("\n")[0].strip(): block.place for block in blocks("text")}
    assert {place for line, place in first_lines.items() if line not in PLAIN} == set()
    assert PLAIN.keys() - first_lines.keys() == set(), "no longer needed in PLAIN"


@pytest.mark.parametrize("language", ["caddyfile", "haproxy", "javascript", "nginx", "ssh-config"])
def test_the_page_is_read_by_the_test_that_is_named(language: str) -> None:
    source = (ROOT / LANGUAGES[language]).read_text()
    for block in blocks(language):
        assert block.page.name in source
    assert json.dumps(language) in source or f"```{language}" in source


def test_the_layers_are_those_that_are_held() -> None:
    (block,) = [block for block in blocks("text") if block.text.startswith("cli, ")]
    named = re.findall(r"^(?=\w)((?:\w+, )*\w+)", block.text, re.MULTILINE)
    assert [name for line in named for name in line.split(", ")] == [name for name in LAYERS if name != "__main__"]


def test_the_token_file_loads(caplog: pytest.LogCaptureFixture) -> None:
    (block,) = [block for block in blocks("text") if block.text.startswith("# a comment")]
    assert parse("tokens", block.text.encode(), False).keys() == {"desktop1", "desktop2", "local"}
    assert caplog.records == []


def test_the_file_of_backends_loads() -> None:
    (block,) = [block for block in blocks("text") if block.text.startswith("# written by")]
    found = read_backends(block.text.encode(), "chat.backends")
    assert found is not None
    assert [(each.weight, each.sessions, each.drain, each.backup) for each in found] == [
        (1, None, False, False),
        (2, 2000, False, False),
        (1, None, True, False),
        (1, None, False, True),
    ]
