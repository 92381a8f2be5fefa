"""Certificates that change while the gateway runs: a renewal, a Kubernetes secret whose symbolic link is swapped.

``watch`` loads the new files, and new handshakes get the new certificate; sessions are not affected. A renewal is
rarely atomic. So if files cannot be loaded, the old certificate stays in use, and loading is tried again. A fault that
lasts is logged once.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import trio

from wsgate.disk.threads import in_thread, thread_limiter
from wsgate.events.emit import emit
from wsgate.net.tls.contexts import certificates, files
from wsgate.settings.model import BackendTls, Tls
from wsgate.site.certificates import CertificateError, LiveTls, load_changed
from wsgate.site.site import Site

INTERVAL = 5.0  # seconds between two checks of the files by stat(2)
DISK_TIME = 5.0  # seconds that a check waits for a disk
WARN_BEFORE = 14 * 86400.0  # seconds
WARN_EVERY = 86400.0  # seconds


class CertificateWatch:
    """Watches the certificates of a site."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._site: Site | None = None
        self._warned: dict[str, float] = {}  # when, in trio seconds, by file
        self._unverified: set[str] = set()  # routes

    def use_site(self, site: Site) -> None:
        """Uses the renewals of a site, and watches its files from now on instead of those of the site before."""
        self._site = site
        for live, found in site.renewals:
            changed = live.own != found.own
            live.renew(found)
            if changed:
                self._log_loaded(live)
        self._warn_of_unverified(site)

    async def watch(self) -> None:
        """Checks the files every few seconds, until cancelled."""
        while True:
            await self.look()
            await trio.sleep(INTERVAL)

    async def look(self) -> None:
        """Loads what has changed or could not be loaded the last time; warns before certificates expire."""
        for live in self._live():
            await self._look_at(live)
        self._warn_of_expiry()

    def expires_in(self, now: float) -> dict[str, float]:
        """Returns the seconds until each certificate expires, by its file; negative if it has expired.

        now: seconds since the epoch
        """
        return {file: own.not_after - now for live in self._live() for file, own in live.own.items()}

    def missing(self) -> dict[str, bool]:
        """Returns for the file of each listener's certificate whether it, or its key, is not there yet."""
        listeners = [live for live in self._live() if isinstance(live.key[0], Tls)]
        found = {str(one.certificate): False for live in listeners for _, one in certificates(live.key[0])}
        return found | {file: True for live in listeners for file in live.missing}

    def _live(self) -> list[LiveTls]:
        return [] if self._site is None else list(self._site.tls.values())

    async def _look_at(self, live: LiveTls) -> None:
        # In a thread, because a disk may hang: it must not delay the end of the process, or certificates on other
        # disks.
        directory = os.path.dirname(next(iter(files(live.key[0])), ""))
        limiter = thread_limiter("certificates", directory, 1)
        hung = (f"the disk of {directory} did not answer within {DISK_TIME:g} s",)
        if not limiter.available_tokens:  # an earlier check still waits
            self._note(live, hung)
            return
        context = live.context
        try:
            found = await in_thread(limiter, DISK_TIME, partial(load_changed, live, self._now()))
        except CertificateError as error:
            self._note(live, error.messages)
            return
        except trio.TooSlowError:
            self._note(live, hung)
            return
        if found is None or live.context is not context or live not in self._live():  # a reload was faster
            return
        was_told, changed = bool(live.logged), found.own != live.own
        live.renew(found)
        if was_told:  # the fault was logged, so log its end too
            self._log_loaded(live, logging.WARNING)
        elif changed:
            self._log_loaded(live)

    def _note(self, live: LiveTls, faults: tuple[str, ...]) -> None:
        """Logs faults that two checks in a row have found: a certificate that is written before its key is no fault."""
        if faults == live.faults and faults != live.logged:
            live.logged = faults
            emit(
                logging.ERROR,
                "certificate not loaded",
                **self._users(live),
                error="; ".join(faults),
                consequence="what was loaded before stays in use",
            )
        live.faults = faults

    def _log_loaded(self, live: LiveTls, level: int = logging.INFO) -> None:
        expires = [_iso(own.not_after) for own in live.own.values()]
        emit(level, "certificate loaded", **self._users(live), files=list(live.own), expires=expires)

    def _users(self, live: LiveTls) -> dict[str, list[str]]:
        """Returns the listeners and routes that use it, as fields of a log line."""
        assert self._site is not None
        listeners = [str(each.settings.bind) for each in self._site.listeners if each.tls is live]
        routes = [route.name for route in self._site.routes if route.tls is live]
        return {"listeners": listeners} if listeners else {"routes": routes}

    def _warn_of_expiry(self) -> None:
        now = self._now()
        dated = {file: one for live in self._live() for file, one in live.dated.items()}
        for file, one in dated.items():
            left = one.not_after - now
            if left > WARN_BEFORE and one.not_before <= now:
                self._warned.pop(file, None)
            elif trio.current_time() >= self._warned.get(file, -WARN_EVERY) + WARN_EVERY:
                self._warned[file] = trio.current_time()
                days = round(left / 86400, 1)
                if one.not_before > now:
                    cure = "is this machine's clock right?"
                    emit(logging.ERROR, "certificate not valid yet", file=file, at=_iso(one.not_before), cure=cure)
                elif left > 0:
                    emit(logging.WARNING, "certificate expires", file=file, at=_iso(one.not_after), days=days)
                else:
                    cure = "renew it: it is taken into use without a restart; until then others refuse it"
                    emit(logging.ERROR, "certificate expired", file=file, at=_iso(one.not_after), days=days, cure=cure)

    def _warn_of_unverified(self, site: Site) -> None:
        settings = {route.name: route.tls.key[0] for route in site.routes if route.tls is not None}
        unverified = {name for name, tls in settings.items() if isinstance(tls, BackendTls) and not tls.verify}
        for name in sorted(unverified - self._unverified):
            reason = "tls.verify is false: whoever is on the way to them can read and change everything"
            emit(logging.WARNING, "backends not verified", route=name, reason=reason)
        self._unverified = unverified


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
