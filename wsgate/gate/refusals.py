"""Refusals that several places give."""

from __future__ import annotations

from wsgate.wire.http import Refusal

RETRY_AFTER = ((b"Retry-After", b"5"),)  # seconds: when others have ended, or a reload is over

OUT_OF_RESOURCES = Refusal(503, "the gateway is out of resources: try again", RETRY_AFTER)
