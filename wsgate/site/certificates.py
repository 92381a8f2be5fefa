"""TLS contexts and their files.

Listeners and routes with the same settings share one ``LiveTls``. A renewal changes it in place, so each handshake uses
the newest files, and no user of it has to be found.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from wsgate.net.tls.checks import check_backend_tls, check_listener_tls, outdated
from wsgate.net.tls.contexts import (
    ALPN,
    backend_context,
    certificate_files,
    certificates,
    empty_context,
    files,
    is_awaited,
    listener_context,
    placeholder_context,
    read_certificate,
)
from wsgate.net.tls.pem_files import PemFiles, Stamp, is_missing, stamp_of
from wsgate.net.tls.x509 import X509
from wsgate.settings.model import BackendTls, Listener, PlainAction, Relay, Route, Scheme, Tls, Tunnel

# The settings from which a context is made: a listener's, or a route's with the ALPN protocols for its backends
TlsKey = tuple[Tls | BackendTls, tuple[str, ...]]


class CertificateError(Exception):
    """Certificates, keys or CAs cannot be used.

    faults: for each the path of its setting below ``tls``, empty for ``tls`` itself; and one line that says which file,
        why, and what to do
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
    """A TLS context, with the content of its files.

    own: the gateway's certificates, by file
    trusted: of the CAs in a file, the one that expires last
    stamp: changes when one of the files does
    faults: why the last attempt to load the files again failed; empty if it succeeded
    logged: the faults that were logged
    awaited: whether a file was missing at the start; if no certificate was there, all clients are refused
    """

    key: TlsKey
    context: ssl.SSLContext
    own: dict[str, X509]
    stamp: tuple[Stamp, ...]
    faults: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()
    trusted: dict[str, X509] = field(default_factory=dict)
    awaited: bool = False

    def renew(self, found: LiveTls) -> None:
        """Uses the present content of the files from now on."""
        self.context, self.own, self.trusted, self.stamp = found.context, found.own, found.trusted, found.stamp
        self.faults, self.logged, self.awaited = found.faults, found.logged, found.awaited

    def is_valid(self, now: float) -> bool:
        """Whether all of its certificates are valid at ``now``, in seconds since the epoch."""
        return all(one.not_before <= now <= one.not_after for one in self.dated.values())

    @property
    def missing(self) -> list[str]:
        """Returns the files of a listener's certificates that are not there yet, or whose keys are not."""
        tls = self.key[0]
        names = [str(one.certificate) for _, one in certificates(tls)] if isinstance(tls, Tls) else []
        return [name for name in names if name not in self.own]

    @property
    def is_fresh(self) -> bool:
        """Whether its files are unchanged. The system's CAs are not watched, so a context with them is never fresh."""
        return bool(files(self.key[0])) and not self.faults and _stamp(self.key) == self.stamp

    @property
    def dated(self) -> dict[str, X509]:
        """Returns all certificates whose expiry matters, by file."""
        return {**self.trusted, **self.own}


def load(key: TlsKey, known: LiveTls | None = None, pem: PemFiles | None = None) -> tuple[LiveTls, LiveTls | None]:
    """Loads the context for some settings. Call it in a thread.

    pem: files that were read already

    Returns the context to use: ``known`` if there is one, so that its session tickets stay valid. Also returns the
    present content of the files if it is different, for ``renew``.

    Raises ``CertificateError`` when the files cannot be used.
    """
    if known is None:
        return load_one(key, pem), None
    return known, _renewal(known, pem)


def await_files(key: TlsKey, error: CertificateError) -> LiveTls | None:
    """Returns a context for a listener some of whose files do not exist yet: with the certificates that are there, or
    without one, so that it refuses all clients. ``load_changed`` finds the others once they are there.

    If a certificate of ACME cannot be used, it is awaited, too: the next order replaces it. Returns ``None`` for any
    other error.
    """
    tls, alpn = key
    if not isinstance(tls, Tls):
        return None
    stamp, messages = _stamp(key), error.messages
    if tls.acme is not None:
        if not all(path.startswith("acme.") for path, _ in error.faults):
            return None
        return LiveTls(key, placeholder_context(tls), {}, stamp, messages, messages, awaited=True)
    if not any(map(is_missing, files(tls))):
        return None
    present = tuple(one for one in tls.certificates if not any(map(is_missing, certificate_files(one))))
    with contextlib.suppress(CertificateError):
        found = load_one((replace(tls, certificates=present), alpn))
        return LiveTls(key, found.context, found.own, stamp, messages, messages, found.trusted, awaited=True)
    return LiveTls(key, empty_context(tls), {}, stamp, messages, messages, awaited=True)


def load_one(key: TlsKey, pem: PemFiles | None = None) -> LiveTls:
    """Loads the context for some settings. Raises ``CertificateError`` when the files cannot be used."""
    tls, alpn = key
    pem = pem or PemFiles()
    stamp = _stamp(key)  # before the files are read: what changes meanwhile is seen at the next look
    faults = check_listener_tls(tls, pem) if isinstance(tls, Tls) else check_backend_tls(tls, pem)
    if faults or (isinstance(tls, Tls) and not certificates(tls)):  # that there is none is a fault of the settings
        raise CertificateError(faults)
    try:
        context = listener_context(tls, pem) if isinstance(tls, Tls) else backend_context(tls, alpn, pem)
        present = [] if is_awaited(tls) else certificates(tls)
        own = {str(one.certificate): read_certificate(one, pem) for _, one in present}
        ca = tls.client_ca if isinstance(tls, Tls) else tls.ca
        trusted = {} if ca is None else {ca: max(pem.certificates(ca), key=lambda one: one.not_after)}
    except (OSError, ValueError) as error:  # it has changed since it was checked
        raise CertificateError([("", str(error))]) from None
    return LiveTls(key, context, own, stamp, trusted=trusted)


def present_context(tls: BackendTls) -> Callable[[], ssl.SSLContext]:
    """Returns a function for the present context to a service, whose files may change. Call that in a thread.

    It raises ``CertificateError`` when the files cannot be used, and never could before.
    """
    live: LiveTls | None = None

    def context() -> ssl.SSLContext:
        nonlocal live
        if live is None:
            live = load_one((tls, ()))
        elif files(tls) and not live.is_fresh:
            with contextlib.suppress(CertificateError):  # a renewal is rarely atomic: the old context stays in use
                live = load_one(live.key)
        return live.context

    return context


def load_changed(live: LiveTls, now: float) -> LiveTls | None:
    """Returns the present content of the files if it has changed, else ``None``. Raises ``CertificateError`` when the
    files cannot be used."""
    if _stamp(live.key) == live.stamp and not live.faults:
        return None
    pem = PemFiles()
    try:
        found = load_one(live.key, pem)
    except CertificateError as error:
        awaited = await_files(live.key, error) if live.awaited else None
        if awaited is None or awaited.own == live.own or live.own.keys() - awaited.own.keys():
            raise
        return awaited
    if _is_older(found, live, now):
        raise CertificateError(outdated(live.key[0], pem))
    return found


def listener_key(listener: Listener) -> TlsKey | None:
    """Returns the settings of a listener's context; ``None`` without TLS."""
    return None if listener.tls is None else (listener.tls, ALPN)


def backend_key(route: Route) -> TlsKey | None:
    """Returns the settings of the context for a route's backends; ``None`` if none of them uses TLS."""
    action = route.action
    if isinstance(action, PlainAction) or not (any(target.tls for target in action.to) or _may_speak_tls(action)):
        return None
    return action.tls, ALPN if isinstance(action, Relay) else ()


def _may_speak_tls(action: Relay | Tunnel) -> bool:
    """Whether a backend may use TLS; also if its target comes from a file, a token or the client."""
    if isinstance(action, Relay):
        return action.to_file is not None
    return action.token is not None or (action.target is not None and action.target.scheme is Scheme.TLS)


def _renewal(live: LiveTls, pem: PemFiles | None) -> LiveTls | None:
    """Returns the present content of the files; ``None`` if it is unchanged or worse. Raises ``CertificateError`` when
    the files cannot be used."""
    if live.is_fresh:
        return None
    found = load_one(live.key, pem)
    return None if _is_older(found, live, time.time()) else found


def _is_older(found: LiveTls, known: LiveTls, now: float) -> bool:
    """Whether the content that was found is invalid while the known one is valid, so it is no renewal."""
    return not found.is_valid(now) and known.is_valid(now) and not known.awaited


def _stamp(key: TlsKey) -> tuple[Stamp, ...]:
    return tuple(map(stamp_of, files(key[0])))
