"""Makes ``ssl.SSLContext`` from settings.

The settings must have no fault that ``checks`` finds; otherwise these functions raise ``ValueError`` or ``OSError``,
like ``ssl.SSLError``. They read files: call them in a thread. OpenSSL reads certificates and keys once more itself.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Sequence

from wsgate.net.tls.pem_files import PemFiles
from wsgate.net.tls.placeholder import load_placeholder
from wsgate.net.tls.x509 import X509
from wsgate.settings.model import BackendTls, Certificate, ClientAuth, Tls, TlsVersion
from wsgate.text import file as text_file
from wsgate.text.error import TextError

ALPN = ("http/1.1",)  # RFC 7301 §6; RFC 6455 is an upgrade of HTTP/1.1

_MAX_PASSWORD = 1024  # bytes; OpenSSL's PEM_BUFSIZE

_VERSIONS = {TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3}
_AUTH = {ClientAuth.REQUIRED: ssl.CERT_REQUIRED, ClientAuth.OPTIONAL: ssl.CERT_OPTIONAL}


def certificates(tls: Tls | BackendTls) -> list[tuple[str, Certificate]]:
    """Returns the certificates of ``tls``, the default first, each with its path below the mapping."""
    if isinstance(tls, Tls) and tls.acme is not None:
        return [("acme.", Certificate(certificate=tls.acme.file))]
    own: list[tuple[str, Certificate]] = [("", tls)] if tls.certificate is not None else []
    several = tls.certificates if isinstance(tls, Tls) else ()
    return own + [(f"certificates[{index}].", certificate) for index, certificate in enumerate(several)]


def files(tls: Tls | BackendTls) -> list[str]:
    """Returns every file that ``tls`` names."""
    names = [tls.client_ca if isinstance(tls, Tls) else tls.ca]
    own = [name for _, certificate in certificates(tls) for name in certificate_files(certificate)]
    return [name for name in names if name is not None] + own


def certificate_files(certificate: Certificate) -> list[str]:
    """Returns the files of a certificate."""
    names = certificate.certificate, certificate.key, certificate.password_file
    return [name for name in names if name is not None]


def is_awaited(tls: Tls | BackendTls) -> bool:
    """Returns whether the certificate is one that the gateway gets by itself and does not have yet."""
    return isinstance(tls, Tls) and tls.acme is not None and not os.path.exists(tls.acme.file)


def listener_context(tls: Tls, pem: PemFiles | None = None) -> ssl.SSLContext:
    """Returns the context for clients.

    It has the default certificate, and switches to another certificate's context by the name in SNI.

    pem: files that were read already
    """
    pem = pem or PemFiles()
    contexts = []
    by_name: dict[str, ssl.SSLContext] = {}
    if is_awaited(tls):
        return placeholder_context(tls)
    for _, certificate in certificates(tls):
        context = _server_context(tls)
        load_chain(context, certificate, pem)
        for name in read_certificate(certificate, pem).host_names:
            by_name.setdefault(name, context)
        contexts.append(context)
    default = contexts[0]
    if len(contexts) > 1:
        default.sni_callback = _chooser(by_name)
    return default


def placeholder_context(tls: Tls) -> ssl.SSLContext:
    """Returns a context for clients until ACME has brought its certificate."""
    assert tls.acme is not None
    context = _server_context(tls)
    load_placeholder(context, tls.acme.hosts)
    return context


def empty_context(tls: Tls) -> ssl.SSLContext:
    """Returns a context for clients without a certificate, which refuses each of them with an alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _set_common(context)
    context.minimum_version = _VERSIONS[tls.min_version]
    return context


def backend_context(tls: BackendTls, alpn: Sequence[str] = (), pem: PemFiles | None = None) -> ssl.SSLContext:
    """Returns the context for backends.

    alpn: the protocols to offer
    pem: files that were read already
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _set_common(context)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if tls.ca is not None:
        _trust(context, tls.ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        load_chain(context, tls, pem or PemFiles())
    return context


def _server_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _set_common(context)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.set_alpn_protocols(list(ALPN))
    context.num_tickets = 1  # for the client's next connection; a second one, as by default, costs a write
    if tls.ciphers is not None:
        context.set_ciphers(tls.ciphers)
    if tls.client_ca is not None:
        context.verify_mode = _AUTH[tls.client_auth]
        _trust(context, tls.client_ca)
    return context


def _set_common(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # Python sets this by default; with it a stream that was cut would look like one that ended (RFC 8446 §6.1)
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)


def _trust(context: ssl.SSLContext, ca: str) -> None:
    """Trusts the certificates in a file, also an intermediate CA or a backend's own one, because the operator named
    it."""
    context.load_verify_locations(ca)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _chooser(by_name: dict[str, ssl.SSLContext]) -> Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None]:
    """Returns an SNI callback: an exact name comes first, then a wildcard for one label (RFC 6125 §6.4.3)."""

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is None:
            return
        name = name.lower()
        context = by_name.get(name) or by_name.get("*." + name.partition(".")[2])
        if context is not None:
            connection.context = context

    return choose


def load_chain(context: ssl.SSLContext, certificate: Certificate, pem: PemFiles) -> None:
    """Loads a certificate with its private key into a context."""
    password = b"" if certificate.password_file is None else read_password(certificate.password_file, pem)
    assert certificate.certificate is not None
    # always with a password, because without one OpenSSL may ask at the terminal
    context.load_cert_chain(certificate.certificate, certificate.key, lambda: password)


def read_certificate(certificate: Certificate, pem: PemFiles) -> X509:
    """Returns the gateway's own certificate: the first of its file."""
    assert certificate.certificate is not None
    found = pem.certificates(certificate.certificate)
    if not found:
        raise ValueError(f"the file {certificate.certificate!r} has no certificate")
    return found[0]


def read_password(file: str, pem: PemFiles) -> bytes:
    """Returns the file's first line."""
    try:
        found = text_file.password(pem.read(file))
    except TextError as error:
        raise ValueError(f"the file {file!r} {error.problem}") from None
    if len(found) > _MAX_PASSWORD:
        raise ValueError(f"the file {file!r} has a first line of more than {_MAX_PASSWORD} bytes: is it the password?")
    return found
