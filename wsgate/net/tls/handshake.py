"""The TLS handshake, as client or server, over a non-blocking socket.

``wrap`` makes a ``TlsTransport`` of a connection and ``shake_hands`` does the handshake, under the caller's deadline;
``shake_hands_soon`` does it with a peer that answers at once.
Every failure of the peer is a ``TlsError``, whose message is for the log.
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trio

from wsgate.net.timed_waits import TimedWaits
from wsgate.net.tls.transport import TlsTransport, is_cut

_GONE = "the peer ended the connection"

_NO_TLS = "the peer does not speak TLS"

# OpenSSL's reasons that need a clearer message
_REASONS = {
    "CALLBACK_FAILED": "the peer asked for a name that is not ASCII",  # our SNI callback has no other way to fail
    "HTTP_REQUEST": _NO_TLS,
    "NO_SHARED_CIPHER": "there is no cipher that both sides take",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "there is no signature algorithm that both sides take",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer showed no certificate",
    "UNKNOWN_PROTOCOL": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": "the peer speaks no version of TLS that is allowed here",
    "WRONG_VERSION_NUMBER": _NO_TLS,
}
_ALERT = re.compile(r"(?:TLSV\d+|SSLV3)_ALERT_(\w+)")
_DISTRUST = frozenset({"UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED"})

# The cure for a backend's certificate that is not accepted, by OpenSSL's code (x509_vfy.h)
_EXPIRED, _NOT_YET, _OTHER_HOST, _OTHER_ADDRESS = 10, 9, 62, 64
_CURES = {
    _NOT_YET: "is this machine's clock right?",
    _EXPIRED: "the backend needs a new one",
    _OTHER_HOST: "name one of its own with tls.server_name",
    _OTHER_ADDRESS: "name one of its own with tls.server_name",
    18: "if it is the right one, name its file with tls.ca",  # self-signed
    19: "name the CA that signed it with tls.ca",  # the chain ends in a root that is not trusted
    20: "name the CA that signed it with tls.ca",
    21: "name the CA that signed it with tls.ca",
}

# RFC 4514 §3, and OpenSSL's names for two more that occur in certificates of persons
_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "surname": "SN",
    "givenName": "GN",
    "userId": "UID",
}

# The kinds of a subjectAltName, as the ssl module calls them
_ALT_NAMES = {"DNS": "dns", "URI": "uri", "email": "email", "IP Address": "ip"}

Name = tuple[tuple[tuple[str, str], ...], ...]  # as ssl.SSLSocket.getpeercert() gives it


class TlsError(Exception):
    """There is no TLS with this peer; the message gives the reason in one line."""

    @property
    def is_plain(self) -> bool:
        """Whether the peer answered with something else than TLS."""
        return str(self) == _NO_TLS


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client's certificate that was verified: it is signed by one of the listener's ``client_ca``.

    subject, issuer: as in RFC 4514, in ASCII without control characters: ``CN=worker 7,O=Example``
    serial: hexadecimal digits
    fingerprint: SHA-256 of the certificate, 64 hexadecimal digits
    common_name: the subject's most specific CN, unescaped; ``None`` if there is none
    alt_names: its subjectAltName: each kind, ``dns``, ``uri``, ``email`` or ``ip``, with the name, unescaped
    """

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    common_name: str | None = None
    alt_names: tuple[tuple[str, str], ...] = ()


def wrap(sock: socket.socket, context: ssl.SSLContext, server_hostname: str | None = None) -> TlsTransport:
    """Makes a transport that owns ``sock``; ``shake_hands`` comes next.

    server_hostname: for a client's context: the name for SNI and for checking the certificate

    Raises ``TlsError`` when that fails. The caller may close ``sock`` in any case.
    """
    try:
        return TlsTransport(sock, context, server_hostname)
    except OSError:
        raise TlsError(_GONE) from None
    except ValueError as error:
        raise TlsError(f"{server_hostname!r} cannot be the name of a server: {error}") from None


async def shake_hands(transport: TlsTransport, serve_if_due: Callable[[], object] = lambda: None) -> None:
    """Does the handshake.

    serve_if_due: called before every step, because a step takes up to some milliseconds of CPU

    Raises ``TlsError`` when it fails. An alert may be on its way to the peer then, so the connection should be ended by
    ``net.io.end_gracefully``.
    """
    while True:
        serve_if_due()
        try:
            transport.tls.do_handshake()
            return
        except ssl.SSLWantReadError:
            await trio.lowlevel.wait_readable(transport)
        except ssl.SSLWantWriteError:
            await trio.lowlevel.wait_writable(transport)
        except OSError as error:
            raise _failed(transport, error) from None


async def shake_hands_soon(transport: TlsTransport, soon: TimedWaits, serve_if_due: Callable[[], object]) -> bool:
    """Does the handshake with a client that answers at once, as nearly all do, without a cancel scope for its deadline.

    The ticket of TLS 1.3, which the client needs for its next connection only, leaves in one segment with the first
    answer. Returns whether it is done; if not, ``shake_hands`` goes on. Raises ``TlsError`` when it fails.
    """
    if _step(transport, serve_if_due):
        return True
    # One answer is all that is needed; one wait only, or a client that sends byte after byte would have no deadline
    if not await soon.wait_readable(transport):
        return False
    transport.hold_back()
    done = _step(transport, serve_if_due)
    if not done or transport.tls.version() != "TLSv1.3":  # the client waits for what was written
        transport.let_go()
    return done


def _step(transport: TlsTransport, serve_if_due: Callable[[], object]) -> bool:
    """Does what can be done without waiting. Returns whether the handshake is done."""
    serve_if_due()
    try:
        transport.tls.do_handshake()
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return False
    except OSError as error:
        raise _failed(transport, error) from None
    return True


def _failed(transport: TlsTransport, error: OSError) -> TlsError:
    return TlsError(_explain(error, is_backend=not transport.tls.server_side))


def explain(error: OSError) -> str:
    """Returns why a connection was lost after the handshake. In TLS 1.3 a client learns only then that the server
    rejected its certificate."""
    return _explain(error, is_backend=True)


def client_certificate(transport: TlsTransport) -> ClientCertificate | None:
    """Returns the client's certificate, which OpenSSL has verified; ``None`` without one."""
    der = transport.tls.getpeercert(True)
    if der is None:  # nearly always
        return None
    shown: Any = transport.tls.getpeercert()
    if not shown:
        return None
    fingerprint = hashlib.sha256(der).hexdigest()
    names = [value for parts in shown["subject"] for kind, value in parts if kind == "commonName"]
    return ClientCertificate(
        format_name(shown["subject"]),
        format_name(shown["issuer"]),
        shown["serialNumber"],
        fingerprint,
        names[-1] if names else None,
        tuple((_ALT_NAMES[kind], name.strip()) for kind, name in shown.get("subjectAltName", ()) if kind in _ALT_NAMES),
    )


def format_name(name: Name) -> str:
    """Formats a name by RFC 4514 §2: the most specific part first."""
    return ",".join(
        "+".join(f"{_SHORT.get(kind, kind)}={_escape(value)}" for kind, value in parts) for parts in reversed(name)
    )


def _escape(value: str) -> str:
    """Escapes by RFC 4514 §2.4, and all but printable ASCII too: the result goes into header fields and logs."""
    text = "".join(
        f"\\{character}"
        if character in '"+,;<>\\'
        else character
        if " " <= character <= "~"
        else "".join(f"\\{byte:02X}" for byte in character.encode())
        for character in value
    )
    if text.startswith((" ", "#")):
        text = "\\" + text
    if text.endswith(" ") and len(value) > 1:
        text = text[:-1] + "\\ "
    return text


def _explain(error: OSError, *, is_backend: bool) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        cure = _CURES.get(error.verify_code) if is_backend else None
        words = f"the peer's certificate is not accepted: {error.verify_message.rstrip('.')}"
        return f"{words}; {cure}" if cure else words
    if not isinstance(error, ssl.SSLError):
        return f"the connection was lost: {error.strerror or error}"
    reason: str = getattr(error, "reason", None) or ""
    if alert := _ALERT.fullmatch(reason):
        words = f"the peer refused with the alert {_words(alert[1])!r}"
        return f"{words}: it does not trust our certificate" if alert[1] in _DISTRUST else words
    if is_cut(error):
        return _GONE
    return _REASONS.get(reason) or f"the handshake failed: {_words(reason) or error}"


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
