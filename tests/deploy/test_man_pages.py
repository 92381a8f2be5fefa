"""The manual pages have every command and every key, and nothing that roff takes for a request by accident."""

from __future__ import annotations

import re

import pytest

from deploy import man_pages
from tests.docs.configuration_page import mappings
from wsgate.settings.keys import keys_of

REQUEST = re.compile(r"\.(?:TH|SH|TP|B|I|br|nf|fi)\b")


@pytest.fixture(scope="module", params=["command_page", "file_page"])
def page(request: pytest.FixtureRequest) -> str:
    made: str = getattr(man_pages, request.param)()
    return made


def test_only_requests_begin_like_one(page: str) -> None:
    lines = [line for line in page.splitlines() if line.startswith((".", "'"))]
    assert lines
    assert [line for line in lines if not REQUEST.match(line)] == []


def test_every_command_has_a_section() -> None:
    page = man_pages.command_page()
    assert {"serve", "check", "tunnel", "top", "recording", "demo"} <= set(man_pages.commands())
    for command in man_pages.commands():
        assert f"\n.SH wsgate {command}\n.nf\nusage: wsgate {command}" in page


def test_every_key_is_an_entry() -> None:
    keys = set(re.findall(r"^\.B ([\w\\-]+)$", man_pages.file_page(), re.MULTILINE))
    assert {name for cls in mappings() for name in keys_of(cls)} == {key.replace("\\-", "-") for key in keys} - {
        "wsgate"
    }


@pytest.mark.parametrize(
    ("text", "roff"), [("a-b", "a\\-b"), ("\\n", "\\en"), (".x\n'y", "\\&.x\n\\(aqy"), ("it's", "it\\(aqs")]
)
def test_text_is_no_request(text: str, roff: str) -> None:
    assert man_pages.escape(text) == roff
