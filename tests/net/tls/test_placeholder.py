from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

import pytest

from tests.net.tls.test_contexts import connect, shown
from wsgate.net.tls.placeholder import load_placeholder


@pytest.mark.parametrize("in_memory", [True, False])
def test_it_has_the_names_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool) -> None:
    """Where it can be in memory, no directory is needed that can be written to."""
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none" if in_memory else tmp_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_placeholder(context, ["one.test", "two.test"])
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    connection, _ = connect(context, client)
    assert shown(connection) == "one.test"
    assert os.listdir(tmp_path) == []


def test_nobody_trusts_it() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_placeholder(context, ["one.test"])
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(context, ssl.create_default_context())
