"""Checks the certificates, keys and CAs that the settings name, as they are now on this machine.

``pem`` has the files that were read already.
"""

from __future__ import annotations

import datetime
import ssl
import time

from wsgate.net.tls.contexts import certificates, is_awaited, load_chain, read_password
from wsgate.net.tls.pem_files import PemFiles
from wsgate.net.tls.x509 import X509, read_der
from wsgate.settings.model import BackendTls, Certificate, Tls

# The path of a configuration key below the tls mapping, empty for the mapping itself; the problem there, with the cure.
TlsFault = tuple[str, str]

# OpenSSL's reasons for a key or a signature below its security level
_TOO_WEAK = frozenset({"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "DH_KEY_TOO_SMALL"})


def check_listener_tls(tls: Tls, pem: PemFiles) -> list[TlsFault]:
    """Returns the faults of the files and ciphers of a listener's TLS."""
    faults: list[TlsFault] = []
    for path, certificate in [] if is_awaited(tls) else certificates(tls):
        _check_certificate(certificate, path, pem, faults)
    if tls.ciphers is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(tls.ciphers)
        except (ssl.SSLError, ValueError):
            faults.append(("ciphers", "OpenSSL knows none of these: `openssl ciphers -v` lists what may stand here"))
    if tls.client_ca is not None:
        _check_ca(tls.client_ca, "client_ca", pem, faults)
    return faults


def check_backend_tls(tls: BackendTls, pem: PemFiles) -> list[TlsFault]:
    """Returns the faults of the files of a route's TLS to its backends."""
    faults: list[TlsFault] = []
    _check_certificate(tls, "", pem, faults)
    if tls.ca is not None:
        _check_ca(tls.ca, "ca", pem, faults)
    return faults


def outdated(tls: Tls | BackendTls, pem: PemFiles) -> list[TlsFault]:
    """Returns warnings for certificates without a fault that have expired or are not valid yet.

    They are used all the same, so that everything else still works: peers may reject them, and a renewal is used as
    soon as it is there.
    """
    found: list[TlsFault] = []
    now = time.time()
    for path, certificate in certificates(tls):
        for own in _readable(certificate.certificate, pem)[:1]:
            file, key = certificate.certificate, f"{path}certificate"
            if own.not_after < now:
                found.append((key, f"the certificate in {file!r} expired {_ago(own.not_after)}: renew it"))
            elif own.not_before > now:
                words = f"is not valid before {_date(own.not_before)}: is this machine's clock right?"
                found.append((key, f"the certificate in {file!r} {words}"))
    key, ca = ("client_ca", tls.client_ca) if isinstance(tls, Tls) else ("ca", tls.ca)
    trusted = _readable(ca, pem)
    latest = max((certificate.not_after for certificate in trusted), default=now)
    if latest < now:
        which = "the CA" if len(trusted) == 1 else "the last CA"
        found.append((key, f"{which} in {ca!r} expired {_ago(latest)}: get the new one"))
    return found


def _readable(file: str | None, pem: PemFiles) -> list[X509]:
    return [] if file is None else _read_certificates(file, "", pem, [])


def _check_certificate(certificate: Certificate, path: str, pem: PemFiles, faults: list[TlsFault]) -> None:
    if certificate.certificate is None:
        return
    before = len(faults)
    if certificate.password_file is not None:
        try:
            read_password(certificate.password_file, pem)
        except ValueError as error:
            faults.append((f"{path}password_file", str(error)))
    chain = _read_certificates(certificate.certificate, f"{path}certificate", pem, faults)
    # faults of the key are reported beside those of the certificate, but not twice if both are in one file
    if chain or certificate.key:
        _check_key(certificate, path, pem, faults)
    if len(faults) == before:
        try:
            load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, pem)
        except (OSError, ValueError) as error:
            faults.append(_explain(error, certificate, path))


def _check_key(certificate: Certificate, path: str, pem: PemFiles, faults: list[TlsFault]) -> None:
    file, key = _key_of(certificate, path)
    try:
        data = pem.read(file)
    except ValueError as error:
        faults.append((key, str(error)))
        return
    if b"PRIVATE KEY-----" not in data:
        if certificate.key is None:
            faults.append((key, f"the file {file!r} has no private key: name the file that has it with key"))
        elif b"-----BEGIN CERTIFICATE-----" in data:
            faults.append((key, f"the file {file!r} has a certificate but no private key"))
        else:
            faults.append((key, f"the file {file!r} has no private key in PEM (-----BEGIN PRIVATE KEY-----)"))
    elif certificate.password_file is None and b"ENCRYPTED" in data:  # as in PKCS #8, or in OpenSSL's older format
        faults.append((key, f"the key in {file!r} is encrypted: name a file with its password with password_file"))


def _key_of(certificate: Certificate, path: str) -> tuple[str, str]:
    """Returns the file with the private key, and the path of the setting that names it."""
    if certificate.key is not None:
        return certificate.key, f"{path}key"
    assert certificate.certificate is not None
    return certificate.certificate, f"{path}certificate"


def _explain(error: OSError | ValueError, certificate: Certificate, path: str) -> TlsFault:
    """Returns why OpenSSL rejects a certificate and a private key that look right alone."""
    file, key = _key_of(certificate, path)
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return key, f"the key in {file!r} does not belong to the first certificate in {certificate.certificate!r}"
    if reason in _TOO_WEAK:
        return f"{path}certificate", f"OpenSSL finds it too weak ({_words(error)}): get a new one, with a new key"
    if certificate.password_file is not None:  # OpenSSL 3 has no special error for a wrong password
        return (
            f"{path}password_file",
            f"the password in {certificate.password_file!r} does not open the key in {file!r}",
        )
    return key, f"OpenSSL cannot load {certificate.certificate!r} with its key: {_words(error)}"


def _check_ca(file: str, key: str, pem: PemFiles, faults: list[TlsFault]) -> None:
    found = _read_certificates(file, key, pem, faults)
    if not found:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
    except OSError as error:
        faults.append((key, f"OpenSSL cannot load the file {file!r}: {_words(error)}"))


def _read_certificates(file: str, key: str, pem: PemFiles, faults: list[TlsFault]) -> list[X509]:
    """Returns the certificates of a file; none if there is a fault, which is added to ``faults``."""
    try:
        data = pem.read(file)
    except ValueError as error:
        faults.append((key, str(error)))
        return []
    try:
        found = pem.certificates(file)
    except ValueError as error:
        faults.append((key, f"the file {file!r} has a certificate that cannot be read: {error}"))
        return []
    if not found:
        faults.append((key, _no_certificate(file, data)))
    return found


def _no_certificate(file: str, data: bytes) -> str:
    if b"PRIVATE KEY-----" in data:
        return f"the file {file!r} has a private key but no certificate"
    try:
        read_der(data)
    except ValueError:
        return f"the file {file!r} has no certificate in PEM (-----BEGIN CERTIFICATE-----)"
    return f"the file {file!r} is DER, not PEM: convert it with `openssl x509 -inform der`"


def _words(error: OSError | ValueError) -> str:
    """Returns OpenSSL's message without its file and line."""
    reason: str | None = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if reason else str(error)


def _date(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _ago(seconds: float) -> str:
    days = int((time.time() - seconds) // 86400)
    return f"on {_date(seconds)}, {days} day{'' if days == 1 else 's'} ago"
