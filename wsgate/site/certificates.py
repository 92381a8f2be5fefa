"""TLS contexts, and the files that they come from.

Listeners and routes with the same settings share one ``LiveTls``. A renewal changes it in place, so each handshake has
what the files said last, and nothing has to be searched for who uses it.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from wsgate.net.tls.checks import check_backend_tls, check_listener_tls, outdated
from wsgate.net.tls.contexts import (
    ALPN,
    backend_context,
    certificates,
    files,
    listener_context,
    read_certificate,
    read_file,
)
from wsgate.net.tls.x509 import X509, read_pem
from wsgate.settings.model import BackendTls, Files, Listener, Relay, Route, Scheme, Tls, Tunnel

# What one context is made from: a listener's settings, or a route's and the protocols that its backends are offered
TlsKey = tuple[Tls | BackendTls, tuple[str, ...]]
_Stamp = tuple[tuple[object, ...], ...]


class CertificateError(Exception):
    """Certificates, keys or CAs that cannot be used.

    faults: of each the path below ``tls`` of the setting that names it, empty for ``tls`` itself; and one line that
        says which file, why, and what to do
    """

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__(faults)
        self.faults = tuple(faults)

    @property
    def messages(self) -> tuple[str, ...]:
        return tuple(message for _, message in self.faults)

    def __str__(self) -> str:
        return "; ".join(self.messages)


@dataclass(slots=True, eq=False)
class LiveTls:
    """The TLS context of one key, with what its files had.

    own: the gateway's certificates, by file
    trusted: of the CAs in a file, the one that expires last
    stamp: changes when one of the files does
    faults: why the last attempt to load them anew failed; empty where it did not
    logged: the faults that were logged
    """

    key: TlsKey
    context: ssl.SSLContext
    own: dict[str, X509]
    stamp: _Stamp
    faults: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()
    trusted: dict[str, X509] = field(default_factory=dict)

    def become(self, found: LiveTls) -> None:
        """Use what was found in the files from now on."""
        self.context, self.own, self.trusted, self.stamp = found.context, found.own, found.trusted, found.stamp
        self.faults, self.logged = (), ()

    def is_valid(self, now: float) -> bool:
        """Whether all that it has is valid, in seconds since the epoch."""
        return all(one.not_before <= now <= one.not_after for one in self.dated.values())

    @property
    def is_fresh(self) -> bool:
        """Whether its files are those from which it came. The system's CAs are no files of ours: they are read anew."""
        return bool(files(self.key[0])) and not self.faults and _stamp(self.key) == self.stamp

    @property
    def dated(self) -> dict[str, X509]:
        """All that expires, by file."""
        return {**self.trusted, **self.own}


def load(key: TlsKey, known: LiveTls | None = None) -> tuple[LiveTls, LiveTls | None]:
    """Reads the files of one key. Slow: not for the event loop. Raises ``CertificateError``.

    Returns what is to be used; it is what is ``known``, so that tickets that were given out with it hold. And what the
    files have now, if that is another thing: ``become`` takes it into use.
    """
    if known is None:
        return load_one(key), None
    return known, _renewal(known)


def load_one(key: TlsKey) -> LiveTls:
    """Read the files of one key. Raises ``CertificateError``."""
    tls, alpn = key
    stamp = _stamp(key)  # before the files are read: what changes meanwhile is seen at the next look
    faults = check_listener_tls(tls) if isinstance(tls, Tls) else check_backend_tls(tls)
    if faults or (isinstance(tls, Tls) and not certificates(tls)):  # that there is none is a fault of the settings
        raise CertificateError(faults)
    try:
        context = listener_context(tls) if isinstance(tls, Tls) else backend_context(tls, alpn)
        own = {str(one.certificate): read_certificate(one) for _, one in certificates(tls)}
        ca = tls.client_ca if isinstance(tls, Tls) else tls.ca
        trusted = {} if ca is None else {ca: max(read_pem(read_file(ca)), key=lambda one: one.not_after)}
    except (OSError, ValueError) as error:  # it has changed since it was checked
        raise CertificateError([("", str(error))]) from None
    return LiveTls(key, context, own, stamp, trusted=trusted)


def load_changed(live: LiveTls, now: float) -> LiveTls | None:
    """What its files have now, where that is another thing. Raises ``CertificateError``."""
    if _stamp(live.key) == live.stamp and not live.faults:
        return None
    found = load_one(live.key)
    if _is_older(found, live, now):
        raise CertificateError(outdated(live.key[0]))
    return found


def listener_key(listener: Listener) -> TlsKey | None:
    """What a listener's context is made from; ``None`` where it speaks no TLS."""
    return None if listener.tls is None else (listener.tls, ALPN)


def backend_key(route: Route) -> TlsKey | None:
    """What the context for a route's backends is made from; ``None`` where none of them speaks TLS."""
    action = route.action
    if isinstance(action, Files) or not (any(target.tls for target in action.to) or _may_speak_tls(action)):
        return None
    return action.tls, ALPN if isinstance(action, Relay) else ()


def _may_speak_tls(action: Relay | Tunnel) -> bool:
    """Whether targets that are known only when somebody asks for them can be behind TLS; a token's may say so."""
    if isinstance(action, Relay):
        return False
    return action.token is not None or (action.target is not None and action.target.scheme is Scheme.TLS)


def _renewal(live: LiveTls) -> LiveTls | None:
    """What the files have now, unless that is known, or worse. Raises ``CertificateError``."""
    if live.is_fresh:
        return None
    found = load_one(live.key)
    return None if _is_older(found, live, time.time()) else found


def _is_older(found: LiveTls, known: LiveTls, now: float) -> bool:
    """Whether what was found is no renewal: it is not valid, and what is known is."""
    return not found.is_valid(now) and known.is_valid(now)


def _stamp(key: TlsKey) -> _Stamp:
    return tuple(map(_stamp_of, files(key[0])))


def _stamp_of(file: str) -> tuple[object, ...]:
    """What changes with a file, and with a symbolic link on the way to it."""
    try:
        found = os.stat(file)
    except OSError as error:
        return (error.errno,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
