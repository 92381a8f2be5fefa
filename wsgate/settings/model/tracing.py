"""``tracing``: spans of upgrades, sent to an OpenTelemetry collector."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wsgate.settings.model.key import setting
from wsgate.settings.values import CollectorUrl, Share, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """Spans of upgrades; the collector's URL alone may be written for it. Needs the extra otel."""

    SHORT: ClassVar[str] = "to"

    to: CollectorUrl = setting(
        "The collector, by OTLP over HTTP: http://host:4318 or https://; a path is taken as it is, else /v1/traces.",
        required=True,
    )
    sample: Share = setting(
        "Of the traces that begin here, how many are kept; a client's own trace is kept as it says.",
        default=100,
    )
    service: Text = setting("The name of this gateway in traces.", default="wsgate")
