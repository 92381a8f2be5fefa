"""docs/tls.md: its examples load, with the files that they name in place."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pki import Authority
from tests.settings.checked import load_checked
from wsgate.settings.model import ClientAuth, Relay, Settings, Tunnel

PAGE = (Path(__file__).parents[2] / "docs" / "tls.md").read_text()
FILES = re.compile(r"[\w.-]+\.(?:crt|key|pem)")


def example(section: str) -> str:
    found = re.search(rf"^## {re.escape(section)}$.*?^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, section
    return textwrap.dedent(found[1])


def load_example(section: str, directory: Path) -> Settings:
    """What an example leaves out is added."""
    text = example(section)
    authority = Authority(directory)
    for file in set(FILES.findall(text)):
        stem, _, ending = file.rpartition(".")
        if ending == "pem":
            (directory / file).write_bytes(authority.ca.cert_pem.bytes())
        elif ending == "crt":
            pair = authority.issue("x.test", to=stem)
            Path(pair.certificate).rename(directory / file)
    written: dict[str, Any] = yaml.safe_load(text)
    if "tls" in written:
        written = {"listeners": [{"bind": "127.0.0.1:443", "tls": written["tls"]}]}
    usual = {
        "listeners": [{"bind": "127.0.0.1:80"}],
        "routes": [{"name": "it", "relay": {"to": "ws://127.0.0.1:9000"}}],
    }
    file = directory / "wsgate.yaml"
    file.write_text(yaml.safe_dump({**usual, **written}))
    return load_checked(str(file))


def test_a_certificate(tmp_path: Path) -> None:
    plain, secure = load_example("A certificate on a listener", tmp_path).listeners
    assert plain.redirect is not None
    assert secure.tls is not None
    assert secure.tls.certificate == str(tmp_path / "tls.crt")


def test_several(tmp_path: Path) -> None:
    (listener,) = load_example("Several certificates", tmp_path).listeners
    assert listener.tls is not None
    assert [Path(str(one.certificate)).name for one in listener.tls.certificates] == ["example.com.crt", "wildcard.crt"]


def test_client_certificates(tmp_path: Path) -> None:
    (listener,) = load_example("Client certificates", tmp_path).listeners
    assert listener.tls is not None
    assert listener.tls.client_auth is ClientAuth.OPTIONAL


def test_backends(tmp_path: Path) -> None:
    chat, vnc = (route.action for route in load_example("Backends behind TLS", tmp_path).routes)
    assert isinstance(chat, Relay)
    assert isinstance(vnc, Tunnel)
    assert (chat.tls.server_name, vnc.tls.key) == ("chat.internal", str(tmp_path / "gateway.key"))


@pytest.mark.parametrize(
    "module", ["net/tls/handshake.py", "gate/tls_handshake.py", "net/tls/transport.py", "ops/certificates.py"]
)
def test_what_it_quotes_is_what_is_said(module: str) -> None:
    source = (Path(__file__).parents[2] / "wsgate" / module).read_text()
    quoted = {
        "net/tls/handshake.py": ["it does not trust our certificate", "the peer showed no certificate"],
        "gate/tls_handshake.py": [
            "this port speaks TLS: use https:// or wss://",
            "TLS spoken to a plain listener",
            "no TLS handshake within",
            "handshake failed",
        ],
        "net/tls/transport.py": ["TLS ended without close_notify"],
        "ops/certificates.py": ["certificate not loaded", "certificate expires"],
    }[module]
    for words in quoted:
        assert words in source, words
        assert words in PAGE, words
