"""Logs and counts the throttles of a session whose route limits rates."""

from __future__ import annotations

from wsgate.gate import access_log
from wsgate.gate.metrics import SessionMetrics
from wsgate.relay.closing import Side
from wsgate.relay.session_info import SessionInfo


class Throttles:
    """The observer of one session's rate limiters. Only the first throttle of each side has a line in the log."""

    __slots__ = ("_info", "_logged", "_metrics")

    def __init__(self, info: SessionInfo, metrics: SessionMetrics) -> None:
        self._info = info
        self._metrics = metrics
        self._logged: set[Side] = set()

    def throttled(self, source: Side, rule: str) -> None:
        self._metrics.throttled(source)
        if source not in self._logged:
            self._logged.add(source)
            access_log.throttled(self._info, source, rule)

    def throttle_over(self, source: Side, seconds: float) -> None:
        self._metrics.throttle_over(source, seconds)
