"""Orders at a real CA, Debian's pebble, and what an operator is told when one fails."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import socketserver
import ssl
import stat
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from acme import client, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests import pebble
from tests.peers.sockets import free_port
from tests.pki import Authority
from wsgate.net.tls.acme_challenge import challenge_context
from wsgate.net.tls.x509 import read_pem
from wsgate.ops import acme_client
from wsgate.ops.acme_client import obtain
from wsgate.ops.acme_errors import AcmeError, LockedError
from wsgate.settings.model import Acme, AcmeChallenge, HttpUrl, TcpAddress

HTTP, TLS_ALPN = AcmeChallenge.HTTP, AcmeChallenge.TLS_ALPN

pytestmark = pytest.mark.needs("pebble", "pebble-challtestsrv")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pebble.Pebble]:
    with pebble.running(tmp_path_factory.mktemp("pebble")) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir(mode=0o700)
    return path


def settings(directory: str, store: Path, *hosts: str, ca: str | None = None) -> Acme:
    port, _, target = directory.removeprefix("https://localhost:").partition("/")
    url = HttpUrl(True, TcpAddress("localhost", int(port)), f"/{target}")
    return Acme(hosts=hosts or ("chat.example.com",), store=str(store), directory=url, ca=ca, email="ops@example.com")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def answering(acme: Acme, port: int) -> Iterator[None]:
    """Serves the challenges, as ``site.acme``'s route does."""
    below = Path(acme.store) / "served" / ".well-known"
    below.mkdir(parents=True)
    (below / "acme-challenge").symlink_to(acme.challenges)
    with ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(below.parent))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def answering_tls(acme: Acme, port: int) -> Iterator[dict[str, bytes]]:
    """Shows the certificates of challenges, as gateways do. Yields their files by the names that it was asked for."""
    shown: dict[str, bytes] = {}

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        assert name is not None
        file = Path(acme.tls_challenges, f"{name}.pem")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        connection.context = challenge_context(str(file))
        shown[name] = file.read_bytes()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = choose

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                context.wrap_socket(self.request, server_side=True).close()

    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield shown
        finally:
            server.shutdown()
            thread.join()


def test_a_certificate_and_another_one(ca: pebble.Pebble, store: Path) -> None:
    acme = settings(ca.directory, store, "Chat.example.com", "www.example.com", ca=ca.ca)
    with answering(acme, ca.challenge_port):
        obtain(acme, HTTP)
        file = store / "certificates" / "chat.example.com.pem"
        first = file.read_bytes()
        account = next(store.glob("account-*.pem")).read_bytes()
        obtain(acme, HTTP)  # with the same account
    own, *chain = read_pem(first)
    assert set(own.host_names) == {"chat.example.com", "www.example.com"}
    assert chain
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file)
    assert file.read_bytes() != first
    assert next(store.glob("account-*.pem")).read_bytes() == account
    assert list((store / "challenges").iterdir()) == []
    for path in (file, next(store.glob("account-*.pem"))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_certificate_by_tls_alpn(ca: pebble.Pebble, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acme_client, "SPREAD_TIME", 0)
    acme = settings(ca.directory, store, "Alpn.example.com", "two.example.com", ca=ca.ca)
    left = store / "tls-challenges" / "killed.example.com.pem"
    left.parent.mkdir()
    left.touch()
    with answering_tls(acme, ca.tls_port) as shown:
        obtain(acme, TLS_ALPN)
    assert set(shown) == {"alpn.example.com", "two.example.com"}
    own, *_ = read_pem(Path(acme.file).read_bytes())
    assert set(own.host_names) == set(shown)
    certificate = x509.load_pem_x509_certificate(shown["two.example.com"])  # RFC 8737 §3
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert list(names.value) == [x509.DNSName("two.example.com")]
    identifier = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
    assert identifier.critical
    assert list(left.parent.iterdir()) == []


def test_a_name_that_leads_to_no_tls(ca: pebble.Pebble, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acme_client, "SPREAD_TIME", 0)
    with pytest.raises(AcmeError, match=r"could not check down.example.com: .* at port 443$"):
        obtain(settings(ca.directory, store, "down.example.com", ca=ca.ca), TLS_ALPN)
    assert list((store / "tls-challenges").iterdir()) == []


def test_a_name_that_leads_elsewhere(ca: pebble.Pebble, store: Path) -> None:
    acme = settings(ca.directory, store, "elsewhere.example.com", ca=ca.ca)
    with pytest.raises(AcmeError, match=r"could not check elsewhere.example.com: .* at port 80$"):
        obtain(acme, HTTP)
    assert list((store / "challenges").iterdir()) == []
    assert list((store / "certificates").iterdir()) == []


def test_a_ca_that_is_not_trusted(ca: pebble.Pebble, store: Path, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    with pytest.raises(AcmeError, match="is not accepted: name its CA with ca"):
        obtain(settings(ca.directory, store, ca=other.file), HTTP)


def test_a_ca_that_is_down(store: Path) -> None:
    with pytest.raises(AcmeError, match="cannot be reached"):
        obtain(settings(f"https://localhost:{free_port()}/dir", store), HTTP)


def test_a_ca_that_does_not_answer(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acme_client, "REQUEST_TIME", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        acme = settings(f"https://localhost:{listener.getsockname()[1]}/dir", store)
        with pytest.raises(AcmeError, match="did not answer within"):
            obtain(acme, HTTP)


def test_a_name_that_the_ca_refuses(ca: pebble.Pebble, store: Path) -> None:
    with pytest.raises(AcmeError, match="the CA answers: "):
        obtain(settings(ca.directory, store, "bad_name.example.com", ca=ca.ca), HTTP)


OTHER_NAME = messages.Identifier(typ=messages.IDENTIFIER_FQDN, value="../../etc/name")


@pytest.mark.parametrize(
    ("kind", "changed", "problem"),
    [
        (TLS_ALPN, {"identifier": OTHER_NAME}, "wants to check a name that was not asked for"),
        (TLS_ALPN, {"challenges": ()}, "offers no check by tls-alpn-01 for hostile.example.com"),
        (HTTP, {"challenges": ()}, "offers no check by http-01 for hostile.example.com"),
    ],
)
def test_a_ca_that_is_hostile(
    ca: pebble.Pebble,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: AcmeChallenge,
    changed: dict[str, object],
    problem: str,
) -> None:
    """What it names becomes no file, and what it does not offer is no bug."""
    new_order = client.ClientV2.new_order

    def hostile(self: client.ClientV2, request: bytes) -> messages.OrderResource:
        order = new_order(self, request)
        (authorization,) = order.authorizations
        other = authorization.update(body=authorization.body.update(**changed))
        result: messages.OrderResource = order.update(authorizations=[other])
        return result

    monkeypatch.setattr(client.ClientV2, "new_order", hostile)
    with pytest.raises(AcmeError, match=f"the CA {problem}"):
        obtain(settings(ca.directory, store, "hostile.example.com", ca=ca.ca), kind)
    for directory in ("challenges", "tls-challenges"):
        assert list((store / directory).iterdir()) == []


@pytest.mark.parametrize("text", [b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"])
def test_an_account_key_that_is_none(ca: pebble.Pebble, store: Path, text: bytes) -> None:
    acme = settings(ca.directory, store, ca=ca.ca)
    with pytest.raises(AcmeError):
        obtain(acme, HTTP)  # nobody answers; but there is an account
    next(store.glob("account-*.pem")).write_bytes(text)
    with pytest.raises(AcmeError, match="is no key of an account: remove it"):
        obtain(acme, HTTP)


def test_an_account_key_of_another_kind(ca: pebble.Pebble, store: Path, tmp_path: Path) -> None:
    acme = settings(ca.directory, store, ca=ca.ca)
    with pytest.raises(AcmeError):
        obtain(acme, HTTP)
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    next(store.glob("account-*.pem")).write_bytes(pem)
    with pytest.raises(AcmeError, match="is no key of an account"):
        obtain(acme, HTTP)


def test_another_gateway_is_at_it(ca: pebble.Pebble, store: Path) -> None:
    with open(store / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LockedError):
            obtain(settings(ca.directory, store, ca=ca.ca), HTTP)


def test_a_store_that_cannot_be_used(ca: pebble.Pebble, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AcmeError, match=r"the store '.*/file' cannot be used: Not a directory"):
        obtain(settings(ca.directory, tmp_path / "file", ca=ca.ca), HTTP)
