"""What the contexts do, in handshakes in memory."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.pki import Authority, Pair, client_context, encrypt, pair_of, server_context, shake_hands
from wsgate.net.tls.contexts import (
    ALPN,
    backend_context,
    certificates,
    files,
    listener_context,
    read_certificate,
)
from wsgate.net.tls.pem_files import PemFiles
from wsgate.settings.model import BackendTls, Certificate, ClientAuth, Tls, TlsVersion

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def certificate(pair: Pair) -> Certificate:
    return Certificate(certificate=pair.certificate, key=pair.key)


def connect(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str = "one.test", session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    ours, theirs = pair_of(client, server, name, session)
    shake_hands(ours, theirs)
    return ours, theirs


def shown(connection: ssl.SSLObject) -> str:
    """The first name of the certificate that the peer has shown."""
    der = connection.getpeercert(binary_form=True)
    assert der is not None
    names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return str(names.value.get_values_for_type(x509.DNSName)[0])


@pytest.fixture
def several(authority: Authority) -> Tls:
    named = [
        ["default.test"],
        ["one.test", "Upper.test"],
        ["*.wild.test"],
        ["exact.wild.test"],
        ["one.test", "two.test"],
    ]
    pairs = [authority.issue(*names, to=f"server{index}") for index, names in enumerate(named)]
    return Tls(certificates=tuple(map(certificate, pairs)))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("one.test", "one.test"),  # the first of two that have it
        ("ONE.test", "one.test"),
        ("upper.test", "one.test"),
        ("two.test", "one.test"),
        ("exact.wild.test", "exact.wild.test"),
        ("x.wild.test", "*.wild.test"),
        ("a.b.wild.test", "default.test"),  # a wildcard stands for one label
        ("wild.test", "default.test"),
        ("unknown.test", "default.test"),
        ("test", "default.test"),
        ("192.0.2.1", "default.test"),  # an address is no SNI (RFC 6066 §3)
        (None, "default.test"),
    ],
)
@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_the_name_chooses_the_certificate(
    several: Tls, authority: Authority, asked: str | None, expected: str, version: ssl.TLSVersion
) -> None:
    client = client_context(authority, check_hostname=False, maximum_version=version)
    ours, theirs = pair_of(client, listener_context(several), asked)
    shake_hands(ours, theirs)
    assert shown(ours) == expected
    assert ours.version() == version.name.replace("_", ".")


def test_a_certificate_without_names_has_its_common_name(authority: Authority, tmp_path: Path) -> None:
    default = authority.issue("default.test")
    leaf = authority.ca.issue_cert("placeholder.test")
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    cn = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Common.test")])
    issued = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    own = x509.CertificateBuilder(
        cn, cn, issued.public_key(), 1, issued.not_valid_before_utc, issued.not_valid_after_utc
    ).sign(key, hashes.SHA256())  # type: ignore[arg-type]
    file = tmp_path / "common.pem"
    file.write_bytes(own.public_bytes(serialization.Encoding.PEM) + leaf.private_key_pem.bytes())
    tls = Tls(certificates=(certificate(default), Certificate(certificate=str(file))))
    client = client_context(check_hostname=False, verify_mode=ssl.CERT_NONE)
    ours, _ = connect(listener_context(tls), client, "common.test")
    assert ours.getpeercert(binary_form=True) == own.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("name", ["default.test", "x.wild.test"])
@pytest.mark.parametrize("auth", [None, ClientAuth.REQUIRED])
def test_sessions_are_resumed(
    several: Tls, authority: Authority, version: ssl.TLSVersion, name: str, auth: ClientAuth | None
) -> None:
    """Also where the name chose another context, and where the client has shown a certificate."""
    tls = Tls(certificates=several.certificates, client_ca=authority.file if auth else None)
    server = listener_context(tls)
    client = client_context(authority, authority.issue("worker", to="client"), maximum_version=version)
    first, theirs = connect(server, client, name)
    assert not theirs.session_reused
    second, theirs = connect(server, client, name, first.session)
    assert second.session_reused
    assert theirs.session_reused
    assert bool(theirs.getpeercert()) is (auth is not None)


def test_versions(authority: Authority) -> None:
    pair = authority.issue("one.test")

    def server(version: TlsVersion) -> ssl.SSLContext:
        return listener_context(Tls(certificate=pair.certificate, key=pair.key, min_version=version))

    for minimum in TlsVersion:
        assert connect(server(minimum), client_context(authority))[0].version() == "TLSv1.3"
    old = client_context(authority, maximum_version=TLS12)
    assert connect(server(TlsVersion.TLS12), old)[0].version() == "TLSv1.2"
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        connect(server(TlsVersion.TLS13), old)


def test_ciphers(authority: Authority) -> None:
    pair = authority.issue("one.test")
    server = listener_context(Tls(certificate=pair.certificate, key=pair.key, ciphers="ECDHE-ECDSA-CHACHA20-POLY1305"))
    ours, _ = connect(server, client_context(authority, maximum_version=TLS12))
    assert (ours.cipher() or ("",))[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    other = client_context(authority, maximum_version=TLS12)
    other.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        connect(server, other)


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None), (["http/1.1"], "http/1.1")]
)
@pytest.mark.parametrize("name", ["default.test", "one.test"])
def test_alpn(several: Tls, authority: Authority, offered: list[str], chosen: str | None, name: str) -> None:
    client = client_context(authority)
    if offered:
        client.set_alpn_protocols(offered)
    ours, theirs = connect(listener_context(several), client, name)
    assert ours.selected_alpn_protocol() == theirs.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("auth", list(ClientAuth))
def test_client_certificates(several: Tls, authority: Authority, auth: ClientAuth, version: ssl.TLSVersion) -> None:
    tls = Tls(certificates=several.certificates, client_ca=authority.file, client_auth=auth)
    server = listener_context(tls)
    for name in ("default.test", "one.test"):
        known = authority.issue("worker", to="client")
        _, theirs = connect(server, client_context(authority, known, maximum_version=version), name)
        assert shown(theirs) == "worker"
        without = client_context(authority, maximum_version=version)
        if auth is ClientAuth.OPTIONAL:
            _, theirs = connect(server, without, name)
            assert not theirs.getpeercert()
        else:
            with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
                connect(server, without, name)


@pytest.mark.parametrize("auth", list(ClientAuth))
def test_a_client_certificate_of_somebody_else(authority: Authority, tmp_path: Path, auth: ClientAuth) -> None:
    """Optional means that a client may have no certificate, not that any certificate is accepted."""
    pair = authority.issue("one.test")
    tls = Tls(certificate=pair.certificate, key=pair.key, client_ca=authority.file, client_auth=auth)
    stranger = Authority(tmp_path, "stranger").issue("worker", to="stranger-client")
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(listener_context(tls), client_context(authority, stranger))


def test_an_intermediate_ca_is_enough(tmp_path: Path) -> None:
    """The operator names the CA that signs, not the CA above it: for clients and for backends."""
    root = Authority(tmp_path)
    middle = Authority(tmp_path, "middle")
    middle.ca = root.ca.create_child_ca()
    middle.ca.cert_pem.write_to_path(middle.file)
    server, client = middle.issue("one.test"), middle.issue("worker", to="client")
    listener = Tls(certificate=server.certificate, key=server.key, client_ca=middle.file)
    backend = BackendTls(ca=middle.file, certificate=client.certificate, key=client.key)
    _, theirs = connect(listener_context(listener), backend_context(backend))
    assert shown(theirs) == "worker"


@pytest.fixture
def backend(authority: Authority) -> ssl.SSLContext:
    """A backend's own context."""
    context = server_context(authority.issue("one.test", "127.0.0.1"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def test_a_backend_is_verified(authority: Authority, backend: ssl.SSLContext, tmp_path: Path) -> None:
    trusting = backend_context(BackendTls(ca=authority.file))
    for name in ("one.test", "127.0.0.1"):
        connect(backend, trusting, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        connect(backend, trusting, "two.test")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        connect(backend, trusting, "127.0.0.2")
    for tls in (
        BackendTls(ca=Authority(tmp_path, "other").file),
        BackendTls(),
    ):  # with the system's CAs, none of which is ours
        with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer certificate"):
            connect(backend, backend_context(tls))


def test_a_backend_that_is_not_verified(backend: ssl.SSLContext) -> None:
    connect(backend, backend_context(BackendTls(verify=False)), "two.test")


def test_a_backends_own_certificate_can_be_named(authority: Authority, backend: ssl.SSLContext) -> None:
    leaf = Path(authority.file).with_name("leaf.pem")
    leaf.write_bytes(authority.ca.issue_cert("one.test").cert_chain_pems[0].bytes())
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(backend, backend_context(BackendTls(ca=str(leaf))))
    leaf.write_bytes(Path(authority.file).with_name("server.pem").read_bytes())
    connect(backend, backend_context(BackendTls(ca=str(leaf))))


def test_the_protocol_is_offered_to_web_socket_backends_alone(authority: Authority, backend: ssl.SSLContext) -> None:
    tls = BackendTls(ca=authority.file)
    assert connect(backend, backend_context(tls, ALPN))[0].selected_alpn_protocol() == "http/1.1"
    assert connect(backend, backend_context(tls))[0].selected_alpn_protocol() is None


@pytest.mark.parametrize("side", ["listener", "backend"])
def test_what_is_switched_off(authority: Authority, several: Tls, side: str) -> None:
    context = listener_context(several) if side == "listener" else backend_context(BackendTls())
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert not context.options & ssl.OP_IGNORE_UNEXPECTED_EOF
    assert context.minimum_version is TLS12


def test_a_cut_is_no_end(authority: Authority) -> None:
    """RFC 8446 §6.1: without close_notify an attacker may have cut the stream."""
    pair = authority.issue("one.test")
    server = listener_context(Tls(certificate=pair.certificate, key=pair.key))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client_context(authority).wrap_bio(down, up, server_hostname="one.test")
    theirs = server.wrap_bio(up, down, server_side=True)
    shake_hands(ours, theirs)
    up.write_eof()
    with pytest.raises(ssl.SSLError, match=r"UNEXPECTED_EOF_WHILE_READING|EOF occurred"):
        theirs.read(1)


def test_an_encrypted_key(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("one.test")
    encrypt(pair.key, b"sesame")
    password = tmp_path / "password"
    password.write_bytes(b"sesame\n")
    tls = Tls(certificate=pair.certificate, key=pair.key, password_file=str(password))
    connect(listener_context(tls), client_context(authority))
    with pytest.raises(ssl.SSLError):  # and OpenSSL does not ask at the terminal
        listener_context(Tls(certificate=pair.certificate, key=pair.key))


def test_a_file_without_a_certificate_is_no_context(authority: Authority) -> None:
    """What stands here may have changed since it was checked."""
    pair = authority.issue("one.test")
    with pytest.raises(ValueError, match=f"the file '{pair.key}' has no certificate"):
        read_certificate(Certificate(certificate=pair.key), PemFiles())


def test_which_files_there_are() -> None:
    one, two = Certificate(certificate="a", key="b", password_file="c"), Certificate(certificate="d")
    assert files(Tls(certificate="a", key="b", client_ca="e")) == ["e", "a", "b"]
    assert files(Tls(certificates=(one, two))) == ["a", "b", "c", "d"]
    assert files(BackendTls(ca="e", certificate="d")) == ["e", "d"]
    assert files(BackendTls()) == []
    assert [path for path, _ in certificates(Tls(certificates=(one, two)))] == ["certificates[0].", "certificates[1]."]
    assert [path for path, _ in certificates(BackendTls(certificate="d"))] == [""]
