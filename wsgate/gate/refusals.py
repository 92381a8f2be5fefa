"""Refusals that are used in several places."""

from __future__ import annotations

from dataclasses import replace

from wsgate.net.dial import DialError
from wsgate.wire.http import Refusal

RETRY_AFTER = ((b"Retry-After", b"5"),)  # seconds, after which other sessions may have ended, or a reload may be over

CLIENT_GONE = Refusal(499, "the client went away before its answer")  # nginx's status; only for the log

OUT_OF_RESOURCES = Refusal(503, "the gateway is out of resources: try again", RETRY_AFTER, cause="resources")

DRAINING = Refusal(503, "the gateway is shutting down: connect again", RETRY_AFTER, cause="draining")

ROUTE_DRAINING = Refusal(503, "this route takes no new sessions now: try again", RETRY_AFTER, cause="route_draining")


def unreachable(error: DialError, plain: str) -> Refusal:
    """Returns the refusal if no target could be dialled. ``plain``: how to write the last target without TLS."""
    if error.status == 403:
        return Refusal(403, "this target may not be reached", detail=str(error))
    if error.status == 503:
        return replace(OUT_OF_RESOURCES, detail=str(error))
    if error.status == 504:
        return Refusal(504, "the backend did not answer in time", detail=str(error))
    cure = f": write {plain} if that is meant" if error.is_plain else ""
    return Refusal(502, "the backend cannot be reached", detail=f"{error}{cure}")


def is_our_own(refusal: Refusal) -> bool:
    """Whether the backend is not the cause: the route's rules refused, or the gateway is out of resources."""
    return refusal.body is None and refusal.status in (403, 503)
