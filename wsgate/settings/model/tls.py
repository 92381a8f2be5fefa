"""TLS: what a certificate is, and what a listener and a backend need."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass

from wsgate.settings.model.key import setting
from wsgate.settings.values import Ciphers, Directory, FilePath, HostName, HttpUrl, SecretFile, TcpAddress, Text
from wsgate.settings.words import AcmeChallenge, ClientAuth, TlsVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate chain, PEM, the server's own first, and its key."""

    certificate: FilePath | None = setting("The certificate and those that lead to its CA, PEM.", default=None)
    key: SecretFile | None = setting("Its private key, PEM; left out, it is in the certificate's file.", default=None)
    password_file: SecretFile | None = setting("A file with the key's password, if it is encrypted.", default=None)


LETS_ENCRYPT = HttpUrl(True, TcpAddress("acme-v02.api.letsencrypt.org", 443), "/directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme:
    """A certificate that the gateway gets and renews by itself (RFC 8555)."""

    hosts: tuple[HostName, ...] = setting("The names in the certificate.", required=True)
    store: Directory = setting(
        "Where the account's key and the certificates are kept; only the gateway's user may read it. Several gateways "
        "may share one.",
        required=True,
    )
    directory: HttpUrl = setting("The directory of the CA, an https:// URL; Let's Encrypt's.", default=LETS_ENCRYPT)
    email: Text | None = setting("The address that the CA may write to.", default=None)
    ca: FilePath | None = setting(
        "The CAs that sign the certificate of directory, PEM; the system's when left out.", default=None
    )
    challenge: AcmeChallenge = setting(
        "How the CA checks the names: http-01 at port 80, tls-alpn-01 at port 443; auto takes the one that a listener "
        "can answer.",
        default=AcmeChallenge.AUTO,
    )

    @property
    def file(self) -> str:
        """The file of the certificate and its key, PEM; it is not there until there is a certificate."""
        return f"{self.store}/certificates/{self.hosts[0].lower()}.pem"

    @property
    def challenges(self) -> str:
        """The directory of the answers to challenges (RFC 8555 §8.3), each in a file named by its token."""
        return f"{self.store}/challenges"

    @property
    def tls_challenges(self) -> str:
        """The directory of the certificates for challenges (RFC 8737), each in a file named by its host."""
        return f"{self.store}/tls-challenges"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls(Certificate):
    """TLS on a listener. One certificate, or several of which the client's SNI chooses; the first is the default."""

    certificates: tuple[Certificate, ...] = setting(
        "Several certificates: the one for the name that the client asks for, the first for any other.", default=()
    )
    acme: Acme | None = setting("Get the certificate by ACME, and renew it. It needs the extra acme.", default=None)
    min_version: TlsVersion = setting("The oldest version that is spoken.", default=TlsVersion.TLS12)
    ciphers: Ciphers | None = setting("Cipher suites of TLS 1.2, as OpenSSL writes them.", default=None)
    client_ca: FilePath | None = setting("The CAs that sign clients' certificates, PEM.", default=None)
    client_auth: ClientAuth = setting(
        "With client_ca: required refuses clients without a certificate, optional takes them too.",
        default=ClientAuth.REQUIRED,
    )
    plaintext: bool = setting(
        "Take clients without TLS on the same port, too: the first byte tells (websockify's way).", default=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendTls(Certificate):
    """TLS to a backend. ``certificate`` and ``key`` are the gateway's own, for backends that ask for one."""

    ca: FilePath | None = setting(
        "The CAs that sign the backend's certificate, PEM; the system's when left out.", default=None
    )
    server_name: HostName | None = setting(
        "The name the certificate must have; the address's host when left out.", default=None
    )
    verify: bool = setting("Check the backend's certificate; false is for experiments only.", default=True)
