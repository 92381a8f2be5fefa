"""Each fault, with the key that it stands under and its cure."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.pki import Authority, Pair, days, encrypt
from wsgate.net.tls.checks import check_backend_tls, check_listener_tls, outdated
from wsgate.net.tls.pem_files import PemFiles
from wsgate.settings.model import BackendTls, Certificate, ClientAuth, Tls


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("one.test")


def one_fault(tls: Certificate) -> tuple[str, str]:
    if isinstance(tls, Tls):
        (fault,) = check_listener_tls(tls, PemFiles())
    else:
        assert isinstance(tls, BackendTls)
        (fault,) = check_backend_tls(tls, PemFiles())
    return fault


def put(directory: Path, data: bytes) -> str:
    file = directory / "put"
    file.write_bytes(data)
    return str(file)


def test_nothing_wrong(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    both = put(tmp_path, Path(pair.key).read_bytes() + Path(pair.certificate).read_bytes())
    other = authority.issue("two.test", to="other")
    for tls in (
        Tls(certificate=pair.certificate, key=pair.key),
        Tls(certificate=both),
        Tls(certificates=(Certificate(certificate=both), Certificate(certificate=other.certificate, key=other.key))),
        Tls(certificate=both, client_ca=authority.file, client_auth=ClientAuth.OPTIONAL, ciphers="ECDHE+AESGCM"),
    ):
        assert check_listener_tls(tls, PemFiles()) == []
    for backend in (
        BackendTls(),
        BackendTls(verify=False),
        BackendTls(ca=authority.file, certificate=pair.certificate, key=pair.key, server_name="x.test"),
    ):
        assert check_backend_tls(backend, PemFiles()) == []


@pytest.mark.parametrize("label", ["PKCS #8", "OpenSSL's own"])
def test_an_encrypted_key(pair: Pair, tmp_path: Path, label: str) -> None:
    if label == "PKCS #8":
        encrypt(pair.key, b"sesame")
    else:
        loaded = serialization.load_pem_private_key(Path(pair.key).read_bytes(), None)
        Path(pair.key).write_bytes(
            loaded.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.BestAvailableEncryption(b"sesame"),
            )
        )
    password = tmp_path / "password"

    def tls(password_file: str | None) -> Tls:
        return Tls(certificate=pair.certificate, key=pair.key, password_file=password_file)

    key, message = one_fault(tls(None))
    assert (key, "password_file" in message) == ("key", True)
    assert pair.key in message
    for content in (b"sesame", b"sesame\n", b"sesame\r\nand more\n"):
        password.write_bytes(content)
        assert check_listener_tls(tls(str(password)), PemFiles()) == []
    password.write_bytes(b"open\n")
    key, message = one_fault(tls(str(password)))
    assert (key, "does not open the key" in message) == ("password_file", True)
    assert "sesame" not in message
    for content, reason in [(b"\n", "no password in its first line"), (b"x" * 1025, "more than 1024 bytes")]:
        password.write_bytes(content)
        key, message = one_fault(tls(str(password)))
        assert (key, reason in message) == ("password_file", True)
    password.unlink()
    assert one_fault(tls(str(password))) == ("password_file", f"the file '{password}' does not exist")


def test_files_that_cannot_be_read(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    missing, fifo, endless = tmp_path / "missing", tmp_path / "fifo", "/dev/zero"
    os.mkfifo(fifo)
    for file, reason in [
        (str(missing), "does not exist"),
        (str(tmp_path), "is not a file"),
        (str(fifo), "is not a file"),
        (endless, "is not a file"),
        (f"{pair.key}/x", "cannot be read: Not a directory"),
        (put(tmp_path, bytes((4 << 20) + 1)), "larger than 4MiB"),
    ]:
        for key, tls in [
            ("certificate", Tls(certificate=file, key=pair.key)),
            ("certificate", Tls(certificate=file)),
            ("key", Tls(certificate=pair.certificate, key=file)),
            ("client_ca", Tls(certificate=pair.certificate, key=pair.key, client_ca=file)),
            ("ca", BackendTls(ca=file)),
            ("certificate", BackendTls(certificate=file, key=pair.key)),
        ]:
            at, message = one_fault(tls)
            assert at == key
            assert reason in message
            assert file in message


def test_a_file_that_this_user_may_not_read(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run as root, for which permissions do not matter."""

    def refuse(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    faults = check_listener_tls(Tls(certificate=pair.certificate, key=pair.key), PemFiles())
    assert [key for key, _ in faults] == ["certificate", "key"]
    assert "permit it to the user that runs wsgate" in faults[1][1]


def test_files_that_are_something_else(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    certificate = Path(pair.certificate).read_bytes()
    der = x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)
    for data, reason in [
        (b"", "no certificate in PEM"),
        (b"hello", "no certificate in PEM"),
        (Path(pair.key).read_bytes(), "has a private key but no certificate"),
        (der, "is DER, not PEM"),
        (certificate.replace(b"M", b"!", 1), "cannot be read: not base64"),
        (certificate[:-30], "no certificate in PEM"),
    ]:
        file = put(tmp_path, data)
        for key, tls in [
            ("certificate", Tls(certificate=file, key=pair.key)),
            ("client_ca", Tls(certificate=pair.certificate, key=pair.key, client_ca=file)),
            ("ca", BackendTls(ca=file)),
        ]:
            at, message = one_fault(tls)
            assert at == key
            assert reason in message
    for data, reason in [(certificate, "has a certificate but no private key"), (b"hello", "no private key in PEM")]:
        key, message = one_fault(Tls(certificate=pair.certificate, key=put(tmp_path, data)))
        assert (key, reason in message) == ("key", True)
    key, message = one_fault(Tls(certificate=pair.certificate))
    assert (key, "has no private key: name the file" in message) == ("certificate", True)


def test_a_certificate_and_a_key_that_only_look_right(pair: Pair, tmp_path: Path) -> None:
    """Well-formed up to where this package reads, not to OpenSSL."""
    key = put(tmp_path, b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n")
    at, message = one_fault(Tls(certificate=pair.certificate, key=key))
    assert at == "key"
    assert "OpenSSL cannot load" in message
    body = x509.load_pem_x509_certificate(Path(pair.certificate).read_bytes()).tbs_certificate_bytes
    unsigned = ssl.DER_cert_to_PEM_cert(b"\x30\x82" + len(body).to_bytes(2, "big") + body)
    ca = put(tmp_path, unsigned.encode())
    for tls in (Tls(certificate=pair.certificate, key=pair.key, client_ca=ca), BackendTls(ca=ca)):
        at, message = one_fault(tls)
        assert at.endswith("ca")
        assert message.startswith(f"OpenSSL cannot load the file {ca!r}: ")


def test_a_key_that_does_not_match(authority: Authority, pair: Pair) -> None:
    other = authority.issue("one.test", to="other")
    key, message = one_fault(Tls(certificate=pair.certificate, key=other.key))
    assert key == "key"
    assert message == f"the key in '{other.key}' does not belong to the first certificate in '{pair.certificate}'"


def test_a_chain_in_the_wrong_order(authority: Authority, pair: Pair) -> None:
    file = Path(pair.certificate)
    file.write_bytes(Path(authority.file).read_bytes() + file.read_bytes())
    key, message = one_fault(Tls(certificate=pair.certificate, key=pair.key))
    assert (key, "first certificate" in message) == ("key", True)


def one_warning(tls: Tls | BackendTls) -> tuple[str, str]:
    assert (check_listener_tls(tls, PemFiles()) if isinstance(tls, Tls) else check_backend_tls(tls, PemFiles())) == []
    (warning,) = outdated(tls, PemFiles())
    return warning


def test_dates(authority: Authority) -> None:
    """They are no faults: what is out of date keeps nothing else down."""
    expired = authority.issue("x.test", not_before=days(-30), not_after=days(-2.5))
    key, message = one_warning(Tls(certificate=expired.certificate, key=expired.key))
    assert key == "certificate"
    assert f"'{expired.certificate}' expired on {days(-2.5):%Y-%m-%d}" in message
    assert message.endswith("2 days ago: renew it")
    early = authority.issue("x.test", to="early", not_before=days(2), not_after=days(3))
    key, message = one_warning(BackendTls(certificate=early.certificate, key=early.key))
    assert key == "certificate"
    assert f"not valid before {days(2):%Y-%m-%d}" in message
    several = Tls(
        certificates=(
            Certificate(certificate=early.certificate, key=early.key),
            Certificate(certificate=expired.certificate, key=expired.key),
        )
    )
    assert [key for key, _ in outdated(several, PemFiles())] == [
        "certificates[0].certificate",
        "certificates[1].certificate",
    ]
    # a file with certificates of servers, as ca, is good for pinning them
    key, message = one_warning(BackendTls(ca=expired.certificate))
    assert (key, message.endswith("2 days ago: get the new one")) == ("ca", True)
    bundle = Path(expired.certificate)
    bundle.write_bytes(bundle.read_bytes() + Path(authority.file).read_bytes())
    assert outdated(BackendTls(ca=str(bundle)), PemFiles()) == []


def test_what_cannot_be_read_has_no_date(pair: Pair, tmp_path: Path) -> None:
    """It is a fault."""
    nowhere = str(tmp_path / "none")
    assert outdated(Tls(certificate=nowhere, key=pair.key, client_ca=nowhere), PemFiles()) == []
    assert outdated(Tls(certificate=pair.certificate, key=pair.key), PemFiles()) == []
    assert outdated(BackendTls(), PemFiles()) == []


def test_all_faults_at_once(authority: Authority, tmp_path: Path) -> None:
    expired = authority.issue("x.test", not_before=days(-30), not_after=days(-1))
    tls = Tls(
        certificates=(
            Certificate(),  # noted already
            Certificate(certificate=expired.certificate, key=str(tmp_path / "none")),
            Certificate(certificate=str(tmp_path / "none"), key=expired.certificate),
        ),
        client_ca=str(tmp_path / "none"),
        ciphers="no such cipher",
    )
    assert [key for key, _ in check_listener_tls(tls, PemFiles())] == [
        "certificates[1].key",
        "certificates[2].certificate",
        "certificates[2].key",
        "ciphers",
        "client_ca",
    ]


def test_a_key_too_weak(authority: Authority, tmp_path: Path) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    leaf = authority.ca.issue_cert("x.test")
    oracle = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    certificate = (
        x509.CertificateBuilder(oracle.issuer, oracle.subject, weak.public_key(), 1, days(-1), days(1))
        .sign(weak, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    key = weak.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    at, message = one_fault(Tls(certificate=put(tmp_path, certificate + key)))
    assert at == "certificate"
    assert message == "OpenSSL finds it too weak (ee key too small): get a new one, with a new key"


def test_ciphers_that_are_none(pair: Pair) -> None:
    own = Certificate(certificate=pair.certificate, key=pair.key)
    assert one_fault(Tls(certificates=(own,), ciphers=""))[0] == "ciphers"
