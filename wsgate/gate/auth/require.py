"""What several credentials are worth together: ``require: all`` or ``any``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wsgate.gate.auth.identity import Admitted, Identity
from wsgate.gate.auth.table import CHECKS
from wsgate.gate.exchange import Exchange
from wsgate.settings.model import Require
from wsgate.site.auth import LiveAuth
from wsgate.wire.http import Refusal

_SEVERAL = "a valid credential is needed"

Refused = Sequence[tuple[str, Refusal]]  # by kind


async def check_credentials(exchange: Exchange, auth: LiveAuth) -> Admitted | Refusal:
    """Checks the client's credentials, one kind after the other. Counts those that have failed if it is refused."""
    refused: list[tuple[str, Refusal]] = []
    passed: list[tuple[str, Identity]] = []
    any_will_do = auth.settings.require is Require.ANY
    for kind, credential in auth.kinds:
        found = await CHECKS[kind](exchange, credential)
        if isinstance(found, Identity):
            passed.append((kind, found))
            if any_will_do:
                return Admitted(passed)
        else:
            refused.append((kind, found))
            if not any_will_do:
                break
    if not refused:
        return Admitted(passed)
    counts = exchange.gateway.metrics.requests(exchange.route.name)
    for kind, refusal in refused:
        counts.not_admitted(kind, refusal.cause)
    return replace(joined(refused), cause="")


def joined(refused: Refused) -> Refusal:
    """Returns one answer for a client that none of several kinds has admitted.

    Best is one that may be another later (429, 503), because the credential was perhaps right. Next is a way to
    get one: a page to log in (302), then all challenges together (RFC 9110 §11.6.1). A plain 403 is last.
    """
    if len(refused) == 1:
        return refused[0][1]
    detail = "; ".join(f"{kind}: {refusal.detail or refusal.reason}" for kind, refusal in refused)
    best = min((refusal for _, refusal in refused), key=_rank)
    if best.status != 401:
        return replace(best, detail=detail)
    fields = [field for _, refusal in refused if refusal.status == 401 for field in refusal.headers]
    reasons = {refusal.reason for _, refusal in refused if refusal.status == 401}
    return replace(best, reason=best.reason if len(reasons) == 1 else _SEVERAL, headers=fields, detail=detail)


def _rank(refusal: Refusal) -> int:
    if refusal.status == 429 or refusal.status >= 500:
        return 0
    if refusal.status < 400:
        return 1
    return 2 if refusal.status == 401 else 3
