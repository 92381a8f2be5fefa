"""A certificate that does not exist yet at the start keeps only its own listener down, until it is there."""

from __future__ import annotations

import shutil
import signal
import ssl
from pathlib import Path

import pytest

from tests.peers.heads import plain_request
from tests.peers.threads import Client
from tests.pki import Authority

from .gateway_process import running

PAGE = {"name": "page", "respond": {"status": 200, "body": "it is served"}}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_rest_is_served_and_it_is_taken_into_use(tmp_path: Path, authority: Authority, workers: int) -> None:
    pair = authority.issue("x.test")
    files = {"certificate": str(tmp_path / "late.pem"), "key": str(tmp_path / "late.key")}
    listeners = [{"bind": "127.0.0.1:0"}, {"bind": "127.0.0.1:0", "tls": files}]
    with running(tmp_path, PAGE, listeners=listeners, workers=workers) as gateway:
        plain, secure = (int(line["address"].rpartition(":")[2]) for line in gateway.lines("listening"))
        with Client(plain) as client:
            client.send(plain_request("/"))
            assert client.read_head().status == 200
        context = ssl.create_default_context(cafile=authority.file)
        with Client(secure) as client, pytest.raises(ssl.SSLError, match="alert handshake failure"):
            context.wrap_socket(client.sock, server_hostname="x.test")
        gateway.wait_line("handshake failed", reason="the listener's certificate does not exist yet")

        shutil.copy(pair.certificate, files["certificate"])
        shutil.copy(pair.key, files["key"])
        gateway.send_signal(signal.SIGHUP)  # or within five seconds
        gateway.wait_for(
            lambda: len(gateway.lines("certificate loaded")) == workers or None, "certificate in each worker"
        )
        with Client(secure) as client, context.wrap_socket(client.sock, server_hostname="x.test") as tls:
            tls.sendall(plain_request("/"))
            assert tls.recv(12) == b"HTTP/1.1 200"
