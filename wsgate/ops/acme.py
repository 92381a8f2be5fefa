"""Gets and renews the certificates of ``tls.acme``.

One task looks at each certificate in the store. If it is not there, lacks a name or is near its end, the task orders a
new one in a thread. ``ops.certificates`` notices the new file, here and in every other process or gateway of the same
store, and new handshakes get it. If an order fails, the old certificate stays, and the next attempt comes later.

With workers only the first does it; several gateways of one store take turns by its lock.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from wsgate.disk.threads import in_thread
from wsgate.events.emit import emit
from wsgate.events.metrics import ACME_FAILURES
from wsgate.gate.gateway import Gateway
from wsgate.net.tls.x509 import X509, read_pem
from wsgate.ops.acme_errors import AcmeError, LockedError
from wsgate.settings.model import Acme, AcmeChallenge
from wsgate.site.acme import acme_of, challenge_of
from wsgate.text import file as text_file

LOOK = 2.0  # seconds between two looks at a certificate
PAUSES = (60.0, 300.0, 1500.0, 3600.0)  # seconds after a failure; the last one again and again: CAs count failures
DISK_TIME = 5.0  # seconds that a look waits for the disk
ORDER_TIME = 600.0  # seconds for a whole order
LEFT = 1 / 3  # of its lifetime, when a certificate is renewed
_MAX_BYTES = 1 << 20

# Orders a certificate and puts it into the store, as ``acme_client.obtain``
Obtain = Callable[[Acme, AcmeChallenge], None]


class Renewal:
    """Gets the certificates of a gateway's site.

    use: called when there is a new certificate
    obtain: ``None``: ``acme_client.obtain``
    now: seconds since the epoch
    """

    def __init__(
        self,
        gateway: Gateway,
        use: Callable[[], Awaitable[None]],
        obtain: Obtain | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._gateway = gateway
        self._use = use
        self._obtain = obtain or _obtain
        self._now = now
        self._waits: dict[Acme, tuple[float, int]] = {}  # until when (trio seconds), after how many failures
        self._limiter = trio.CapacityLimiter(1)

    async def run(self) -> None:
        """Looks at the certificates, until cancelled."""
        if self._gateway.sessions.worker > 1:
            return
        while True:
            for acme in dict.fromkeys(acme_of(self._gateway.site.settings.listeners)):
                await self._look_at(acme)
            await trio.sleep(LOOK)

    async def _look_at(self, acme: Acme) -> None:
        until, failures = self._waits.get(acme, (0.0, 0))
        if trio.current_time() < until:
            return
        kind = challenge_of(acme, self._gateway.site.settings.listeners)
        try:
            if not await in_thread(self._limiter, DISK_TIME, partial(self._is_due, acme)):
                return
            await in_thread(self._limiter, ORDER_TIME, partial(self._obtain, acme, kind))
        except LockedError:
            return
        except AcmeError as error:
            self._failed(acme, failures, str(error))
        except trio.TooSlowError:
            self._failed(acme, failures, "the store's disk, or the CA, did not answer in time")
        else:
            self._waits.pop(acme, None)
            emit(logging.INFO, "certificate obtained", hosts=", ".join(acme.hosts), file=acme.file)
            await self._use()

    def _failed(self, acme: Acme, failures: int, error: str) -> None:
        pause = PAUSES[min(failures, len(PAUSES) - 1)] * random.uniform(1.0, 1.5)
        self._waits[acme] = trio.current_time() + pause, failures + 1
        self._gateway.metrics.row.cell(ACME_FAILURES, acme.file).add()
        live = self._gateway.site.tls.values()
        present = any(acme.file in each.own for each in live)
        consequence = "the old one stays in use" if present else "TLS clients are shown one that they refuse"
        emit(
            logging.WARNING,
            "certificate not obtained",
            hosts=", ".join(acme.hosts),
            error=error,
            consequence=consequence,
            retry_in=round(pause),
        )

    def _is_due(self, acme: Acme) -> bool:
        try:
            found = read_pem(text_file.read_file(acme.file, _MAX_BYTES))[0]
        except (OSError, ValueError, IndexError):
            return True
        return is_due(found, acme, self._now())


def is_due(certificate: X509, acme: Acme, now: float) -> bool:
    """Returns whether a new certificate is needed: a name is missing, or a third of its lifetime is left.

    Which moment that is differs by up to a thirtieth of the lifetime between certificates, so that CAs do not get all
    renewals at once.
    """
    if not {host.lower() for host in acme.hosts} <= set(certificate.host_names):
        return True
    lifetime = certificate.not_after - certificate.not_before
    early = random.Random(certificate.not_after).uniform(0, lifetime / 30)  # the same at each look
    return now > certificate.not_after - lifetime * LEFT - early


def _obtain(acme: Acme, kind: AcmeChallenge) -> None:
    from wsgate.ops.acme_client import obtain

    obtain(acme, kind)
