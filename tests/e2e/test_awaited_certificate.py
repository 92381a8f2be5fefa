"""A certificate that does not exist yet at the start, or has expired, keeps nothing else down, until it is there."""

from __future__ import annotations

import shutil
import signal
import ssl
from pathlib import Path

import pytest

from tests.peers.heads import plain_request
from tests.peers.threads import Client
from tests.pki import Authority, days

from .gateway import write_config
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


@pytest.mark.parametrize("by_signal", [True, False])
def test_one_has_expired_and_one_is_missing_beside_another(
    tmp_path: Path, authority: Authority, by_signal: bool
) -> None:
    """Everything else is served, and each renewal without a restart."""
    old = authority.issue("x.test", to="old", not_before=days(-3), not_after=days(-1))
    here = authority.issue("here.test", to="here")
    late = {"certificate": str(tmp_path / "late.pem"), "key": str(tmp_path / "late.key")}
    listeners = [
        {"bind": "127.0.0.1:0", "tls": old.settings()},
        {"bind": "127.0.0.1:0", "tls": {"certificates": [late, here.settings()]}},
    ]
    context = ssl.create_default_context(cafile=authority.file)

    def is_served(port: int, name: str) -> bool:
        with Client(port) as client:
            try:
                context.wrap_socket(client.sock, server_hostname=name).close()
            except ssl.SSLCertVerificationError:
                return False
        return True

    with running(tmp_path, PAGE, listeners=listeners) as gateway:
        first, second = (int(line["address"].rpartition(":")[2]) for line in gateway.lines("listening"))
        gateway.wait_line("certificate expired", file=old.certificate)
        assert not is_served(first, "x.test")
        assert is_served(second, "here.test")
        assert not is_served(second, "late.test")

        authority.issue("x.test", to="old")
        pair = authority.issue("late.test")
        shutil.copy(pair.key, late["key"])
        shutil.copy(pair.certificate, late["certificate"])
        if by_signal:
            gateway.send_signal(signal.SIGHUP)
        gateway.wait_for(lambda: len(gateway.lines("certificate loaded")) >= 2 or None, "both certificates")
        assert is_served(first, "x.test")
        for name in ("here.test", "late.test"):
            assert is_served(second, name)


@pytest.mark.parametrize("content", [None, "broken"])
def test_workers_follow_their_parent_whatever_has_become_of_it(
    tmp_path: Path, authority: Authority, content: str | None
) -> None:
    """The parent does not know that the certificate came. If it is gone again or broken, what the parent accepts no
    worker refuses, and each uses what it has loaded."""
    pair = authority.issue("x.test")
    files = {"certificate": str(tmp_path / "late.pem"), "key": pair.key}
    listeners = [{"bind": "127.0.0.1:0"}, {"bind": "127.0.0.1:0", "tls": files}]
    with running(tmp_path, PAGE, listeners=listeners, workers=2) as gateway:
        secure = int(gateway.lines("listening")[1]["address"].rpartition(":")[2])
        shutil.copy(pair.certificate, files["certificate"])
        gateway.send_signal(signal.SIGHUP)
        gateway.wait_for(lambda: len(gateway.lines("reloaded")) == 2 or None, "reload in each worker")

        Path(files["certificate"]).unlink()
        if content is not None:
            Path(files["certificate"]).write_text(content)
        write_config(tmp_path, [{**PAGE, "name": "changed"}], listeners=listeners, workers=2)
        gateway.send_signal(signal.SIGHUP)
        gateway.wait_for(lambda: len(gateway.lines("route added", route="changed")) == 2 or None, "it in each worker")
        assert gateway.lines("reload refused") == []
        context = ssl.create_default_context(cafile=authority.file)
        for _ in range(8):
            with Client(secure) as client, context.wrap_socket(client.sock, server_hostname="x.test") as tls:
                tls.sendall(plain_request("/"))
                assert tls.recv(12) == b"HTTP/1.1 200"
