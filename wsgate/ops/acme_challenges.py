"""Sees which TLS-ALPN-01 challenges are pending, so that this process answers the CA (RFC 8737).

The gateway that orders puts a certificate for each challenge into the store, and waits for ``acme_client.SPREAD_TIME``
before it lets the CA ask. The CA may reach any worker of any gateway of the store, so each looks there once a second.
Only while there is something does a TLS handshake look at its client's first message (``gate.acme_challenge``).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Collection, Iterator

import trio

from wsgate.disk.threads import in_thread
from wsgate.gate.gateway import Gateway
from wsgate.net.tls.acme_challenge import challenge_context
from wsgate.net.tls.pem_files import Stamp, stamp_of
from wsgate.settings.model import AcmeChallenge
from wsgate.site.acme import acme_of, challenge_of

LOOK = 1.0  # seconds between two looks
DISK_TIME = 5.0  # seconds that a look waits for the disk
_SUFFIX = ".pem"


class ChallengeWatch:
    """Looks for the challenges of a gateway's site."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._pending = PendingChallenges()
        self._limiter = trio.CapacityLimiter(1)

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self.look()
            await trio.sleep(LOOK)

    async def look(self) -> None:
        """Brings the gateway's challenges up to date."""
        gateway = self._gateway
        listeners = gateway.site.settings.listeners
        directories = {
            acme.tls_challenges
            for acme in acme_of(listeners)
            if challenge_of(acme, listeners) is AcmeChallenge.TLS_ALPN
        }
        if not directories:
            gateway.acme_challenges = {}
            return
        try:
            gateway.acme_challenges = await in_thread(self._limiter, DISK_TIME, lambda: self._pending.find(directories))
        except trio.TooSlowError:  # the order, which needs the same disk, tells
            gateway.acme_challenges = {}


class PendingChallenges:
    """The pending challenges in directories of stores. Not thread-safe."""

    def __init__(self) -> None:
        self._loaded: dict[str, tuple[Stamp, ssl.SSLContext]] = {}  # by file

    def find(self, directories: Collection[str]) -> dict[str, ssl.SSLContext]:
        """Returns the contexts for them, by host. It reads files: call it in a thread."""
        before, self._loaded = self._loaded, {}
        found = {}
        for directory in directories:
            for host in _hosts(directory):
                file = f"{directory}/{host}{_SUFFIX}"
                stamp = stamp_of(file)
                known = before.get(file)
                try:
                    context = known[1] if known is not None and known[0] == stamp else challenge_context(file)
                except OSError:  # it is over
                    continue
                self._loaded[file] = stamp, context
                found[host] = context
        return found


def _hosts(directory: str) -> Iterator[str]:
    try:
        names = os.listdir(directory)
    except OSError:  # there was no order yet
        return
    for name in names:
        if name.endswith(_SUFFIX):
            yield name.removesuffix(_SUFFIX)
