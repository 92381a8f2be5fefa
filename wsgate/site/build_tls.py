"""The TLS contexts of a site that is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsgate.net.tls.checks import outdated
from wsgate.net.tls.contexts import files
from wsgate.net.tls.pem_files import PemFiles, is_missing
from wsgate.settings.draft import Draft, is_whole
from wsgate.settings.model import BackendTls, Listener, Route, Tls
from wsgate.site.certificates import CertificateError, LiveTls, TlsKey, await_files, backend_key, listener_key, load

_UNTIL_THEN = (
    "clients are refused there until it is, and everything else is served; it is taken into use without a restart"
)
_UNTIL_ORDERED = "a new one is ordered"


class TlsBuilder:
    """Loads each context once, however many listeners and routes have the same settings.

    draft: gets the faults of each setting, and a warning for each certificate that is out of date
    before: the contexts of the site before
    patient: a certificate that cannot be loaded stays as before, and one that is missing is awaited
    starting: a listener whose certificate or key does not exist yet is opened without it; a reload opens it only if it
        was awaited before

    live: the contexts
    renewals: those of ``before`` that stay, each with the present content of its files, if that is different
    """

    def __init__(
        self, draft: Draft, before: Mapping[TlsKey, LiveTls], *, patient: bool, starting: bool = False
    ) -> None:
        self.live: dict[TlsKey, LiveTls] = {}
        self.renewals: list[tuple[LiveTls, LiveTls]] = []
        self._draft = draft
        self._before = before
        self._patient = patient
        self._starting = starting
        self._pem = PemFiles()
        self._unusable: dict[TlsKey, CertificateError] = {}

    def load_listener(self, listener: Listener, path: str) -> None:
        """Loads the context of a listener with TLS. ``path``: of its ``tls``."""
        key = listener_key(listener)
        assert key is not None
        self._load(key, path)

    def load_backends(self, route: Route, tls: Any, path: str) -> None:
        """Loads the context for a route's backends.

        tls: its settings, which may have ``Broken`` parts; the route may too
        path: of ``tls``
        """
        if not is_whole(tls) or self._draft.is_wrong(path):  # it would have no effect, so it is not loaded
            return
        key = backend_key(route) if is_whole(route.action) else None
        if key is not None:
            self._load(key, path)
        elif tls != BackendTls() and not self._patient:  # no known target uses TLS
            try:
                load((tls, ()), pem=self._pem)
            except CertificateError as error:
                self._draft.faults(path, error.faults)
            self.warn_of_dates(tls, path)

    def warn_of_dates(self, tls: Tls | BackendTls, path: str) -> None:
        """Warns of certificates that are out of date."""
        for below, message in outdated(tls, self._pem):
            self._draft.warn(f"{path}.{below}", message)

    def _load(self, key: TlsKey, path: str) -> None:
        if key not in self.live and key not in self._unusable:
            known = self._before.get(key)
            try:
                self.live[key], renewal = load(key, known, self._pem)
                if renewal is not None:
                    self.renewals.append((self.live[key], renewal))
            except CertificateError as error:
                by_acme = isinstance(key[0], Tls) and key[0].acme is not None
                awaited = await_files(key, error) if self._may_wait(key[0]) else None
                keeps = self._patient or (known is not None and known.awaited) or (by_acme and awaited is not None)
                if known is not None and keeps:  # the certificate watch logs it, if it lasts
                    self.live[key] = known
                elif awaited is not None and not self._has_a_secret_for_a_path(error):
                    self.live[key] = awaited
                    until = _UNTIL_ORDERED if by_acme else _UNTIL_THEN
                    for below, message in error.faults:
                        self._draft.warn(f"{path}.{below}" if below else path, f"{message}: {until}")
                else:
                    self._unusable[key] = error
        if key in self._unusable:
            self._draft.faults(path, self._unusable[key].faults)
        self.warn_of_dates(key[0], path)

    def _has_a_secret_for_a_path(self, error: CertificateError) -> bool:
        """Whether what is written for a file may be the secret itself: no file will come, and the log would have it."""
        return any(self._draft.hides(message) for _, message in error.faults)

    def _may_wait(self, tls: Tls | BackendTls) -> bool:
        """Whether the listener may be opened before its files are there: at the start, by the patient, if ACME brings
        them, and if no other files are missing than those that have been awaited before a reload."""
        if self._starting or self._patient or (isinstance(tls, Tls) and tls.acme is not None):
            return True
        missing = set(filter(is_missing, files(tls)))
        awaited = {file for live in self._before.values() if live.awaited for file in files(live.key[0])}
        return bool(missing) and missing <= awaited
