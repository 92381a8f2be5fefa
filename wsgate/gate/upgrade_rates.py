"""Bounds how many upgrades there are in a second: of one client address, and of the gateway, for all workers together.

An address is asked for before credentials are checked, so that a flood of wrong ones costs little. The gateway is asked
for behind that. So only who has been let in takes from what all share, and no stranger can use it up.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from wsgate.gate.client import Client
from wsgate.settings.model import Settings
from wsgate.site.shared_buckets import SECOND, SharedBuckets
from wsgate.wire.http import Refusal


class UpgradeRates:
    """The rates of a process.

    buckets: of all workers
    clock: nanoseconds, the same in all workers
    """

    def __init__(self, buckets: SharedBuckets, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._buckets = buckets
        self._clock = clock

    def check_address(self, settings: Settings, client: Client) -> Refusal | None:
        """Counts an upgrade of a client. Returns the answer if its address has too many."""
        rate, address = settings.limits.upgrades_per_second_per_address, client.counted_as
        if rate is None or address is None:
            return None
        lacking = self._buckets.take(f"address {address}", rate, self._clock())
        return address_refusal(lacking) if lacking else None

    def check_gateway(self, settings: Settings) -> Refusal | None:
        """Counts an upgrade. Returns the answer if there are too many in all."""
        rate = settings.limits.upgrades_per_second
        if rate is None:
            return None
        lacking = self._buckets.take("gateway", rate, self._clock())
        return gateway_refusal(lacking) if lacking else None


def address_refusal(lacking: int) -> Refusal:
    """Returns the answer to an address that may come again in ``lacking`` nanoseconds."""
    reason = "too many upgrades from your address: try again later"
    return _refusal(429, reason, "limits.upgrades_per_second_per_address", "address_rate", lacking)


def gateway_refusal(lacking: int) -> Refusal:
    """Returns the answer to anybody, where there is room for one more in ``lacking`` nanoseconds."""
    reason = "too many clients connect at once: try again later"
    return _refusal(503, reason, "limits.upgrades_per_second", "rate", lacking)


def _refusal(status: int, reason: str, detail: str, cause: str, lacking: int) -> Refusal:
    seconds = -(-lacking // SECOND)  # whole ones (RFC 9110 §10.2.3), rounded up
    return Refusal(status, reason, ((b"Retry-After", b"%d" % seconds),), detail=detail, cause=cause)
