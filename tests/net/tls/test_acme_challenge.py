from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.acme_challenge import asking, is_challenge, write
from tests.pki import pair_of, shake_hands
from wsgate.net.tls.acme_challenge import challenge_context


def test_what_a_ca_meets(tmp_path: Path) -> None:
    context = challenge_context(write(tmp_path, "a.example.com"))
    client, server = pair_of(asking(), context, "a.example.com")
    shake_hands(client, server)
    assert client.selected_alpn_protocol() == "acme-tls/1"
    assert is_challenge(client.getpeercert(True))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ssl.SSLError):
        challenge_context(str(tmp_path / "empty.pem"))
    with pytest.raises(FileNotFoundError):
        challenge_context(str(tmp_path / "missing.pem"))
