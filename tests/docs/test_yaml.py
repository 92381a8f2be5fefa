"""The YAML in README.md and docs/ loads, with the files that it names in place."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import blocks
from tests.pki import Authority
from tests.settings.checked import load_checked
from wsgate.settings.keys import keys_of
from wsgate.settings.model import Listener, Route, Settings

CERTIFICATE = re.compile(r"certificate: ([\w./-]+), key: ([\w./-]+)")
CA = re.compile(r"ca: ([\w./-]+)")
ABSOLUTE = re.compile(r"(\w+): (/(?:etc|srv|usr|var|run/secrets)/[\w./-]+)")
ADMIN_TOKEN = re.compile(r"token: \{file: (/[\w./-]+)\}")
FALLBACK = re.compile(r"root: ([\w./-]+),?\s+fallback: (/[\w./-]+)")

USUAL = {
    "listeners": "listeners: [{bind: 127.0.0.1:8080}]\n",
    "routes": "routes: [{name: it, relay: {to: ws://127.0.0.1:9000}}]\n",
}


def cases() -> list[Any]:
    return [pytest.param(block.text, id=block.place) for block in blocks("yaml")]


def put_in_place(text: str, directory: Path) -> str:
    """What a text names is made; paths from the root lead below ``directory`` then."""

    def move(found: re.Match[str]) -> str:
        path = directory / found[2].lstrip("/")
        if found[1] in ("root", "directory", "store"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return f"{found[1]}: {path}"

    authority = Authority(directory, "authority")
    text = CERTIFICATE.sub(lambda found: found[0].replace(": /", ": "), text)  # below the file's directory
    for certificate, key in CERTIFICATE.findall(text):
        pair = authority.issue("x.test", to="pair")
        for made, name in ((pair.certificate, certificate), (pair.key, key)):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            Path(made).rename(directory / name)
    for file in CA.findall(text):
        (directory / file).write_bytes(authority.ca.cert_pem.bytes())
    text = ABSOLUTE.sub(move, text)
    for file in ADMIN_TOKEN.findall(text):
        Path(file).write_text("sesame\n")
    for root, fallback in FALLBACK.findall(text):
        Path(root + fallback).touch()
    return text


def whole(text: str) -> str:
    """A configuration around what a page shows: a part of one, of a listener or of a route."""
    keys = yaml.safe_load(text).keys()
    if keys <= keys_of(Listener).keys():
        keys, text = {"listeners"}, f"listeners:\n  - bind: 127.0.0.1:8443\n{textwrap.indent(text, '    ')}"
    elif keys <= keys_of(Route).keys():
        text = (
            text
            if keys & {"relay", "tunnel", "files", "respond", "redirect", "state"}
            else f"{text}relay: {{to: ws://127.0.0.1:9000}}\n"
        )
        keys, text = {"routes"}, f"routes:\n  - name: it\n{textwrap.indent(text, '    ')}"
    assert keys <= keys_of(Settings).keys()
    for key, usual in USUAL.items():
        text += "" if key in keys else usual
    return text


def test_there_are_blocks() -> None:
    assert len(cases()) > 10


@pytest.mark.parametrize("text", cases())
def test_a_block_loads(text: str, tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(whole(put_in_place(text, tmp_path)), encoding="utf-8")
    assert load_checked(str(file)).routes
