"""The fuzzers for a moment, with the same input each time; and that they find what is planted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from wsgate.gate import client
from wsgate.relay import current_message
from wsgate.settings import fixed
from wsgate.site import rewriting
from wsgate.site.tokens import file
from wsgate.site.tokens import jwt as jwt_source
from wsgate.text import host as text_host
from wsgate.text import origin as text_origin
from wsgate.text import paths as text_paths
from wsgate.wire import deflate, head, masking, proxy_protocol, resp, walk
from wsgate.wire.client import HttpClient
from wsgate.wire.head import HeadBuffer

from .__main__ import main
from .targets import NATIVE, NOT_COMPILED, TARGETS, play

ROUNDS = 400
COMPILED = ("walks", "masks", "fast_turns")
PYTHON = tuple(TARGETS.keys() - NATIVE.keys())
ALL = (*COMPILED, *sorted(PYTHON))

Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def there(request: pytest.FixtureRequest) -> None:
    if NOT_COMPILED and request.node.callspec.params["name"] in COMPILED:
        pytest.skip(f"{NOT_COMPILED}: install wsgate anew where there is a C compiler, and the headers of this Python")


@pytest.mark.parametrize("name", ALL)
def test_for_a_moment(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--rounds", str(ROUNDS), "--seed", "0"]) == 0
    assert capsys.readouterr().out.endswith(f"{ROUNDS} rounds of each of {name}: nothing found\n")


def _skip_behind(heads: HeadBuffer) -> bytes:
    heads.peek(0)
    return bytes(heads._data)


def _raise(text: str, tls: bool) -> Any:
    raise KeyError(text)


def _unverified(token: str, keys: object, rules: object) -> Any:
    return jwt.decode(token, options={"verify_signature": False})


PLANTED: dict[str, Plant] = {
    "walks": lambda patch: patch.setattr(walk, "MAX_CONTROL", 126),
    "masks": lambda patch: patch.setattr(masking, "apply_mask", lambda data, key: bytes(data)),
    "fast_turns": lambda patch: patch.setattr(walk, "NO_LIMIT", 1 << 64),
    "requests": lambda patch: patch.setattr(HeadBuffer, "rest", _skip_behind),
    "answers": lambda patch: patch.setattr(head, "_END", re.compile(rb"\n\n|\r\n\r\n(?=.)|\n\r\n\Z")),
    "proxies": lambda patch: patch.setattr(proxy_protocol, "_V2_HEAD", 12),
    "origins": lambda patch: patch.setattr(client, "is_token", lambda value: True),
    "configurations": lambda patch: patch.setattr(text_origin, "_ORIGIN", None),
    "paths": lambda patch: patch.setattr(text_paths, "_DIGIT_OR_NONE", re.compile(rb"[^%]?")),
    "values": lambda patch: patch.setattr(text_host, "_NAME", re.compile(r".+")),
    "lines": lambda patch: patch.setattr(file, "_parse_line", _raise),
    "fetches": lambda patch: patch.setattr(HttpClient, "lost", lambda client, why: client.receive(b"")),
    "replies": lambda patch: patch.setattr(
        resp.Replies, "receive", lambda replies, data: replies._data.extend(data[:9])
    ),
    "redirects": lambda patch: patch.setattr(fixed, "_check_authority", lambda *parts: None),
    "rewrites": lambda patch: patch.setattr(rewriting, "leads_out", lambda path: False),
    "codecs": lambda patch: patch.setattr(deflate, "_FINAL", b"\x01"),
    "flows": lambda patch: patch.setattr(current_message, "RSV1", 0),
    "tokens": lambda patch: patch.setattr(jwt_source, "verify", _unverified),
}


@pytest.mark.parametrize("name", ALL)
def test_what_is_planted_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And found again, by what is printed."""
    PLANTED[name](monkeypatch)
    assert main([name, "--rounds", "5000", "--seed", "0"]) == 1
    found = re.search(
        rf"again: python -m tests.fuzz ({name}) --seed 0 --from (\d+) --rounds 1", capsys.readouterr().err
    )
    assert found
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it was
        play(found[1], "0", int(found[2]))
