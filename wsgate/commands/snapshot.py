"""What a gateway answers at one moment, and how fast its sessions are, from two of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_COUNTERS = ("messages_up", "messages_down", "bytes_up", "bytes_down")


@dataclass(frozen=True, slots=True)
class Rates:
    """Messages and bytes per second in each direction."""

    messages_up: float = 0.0
    messages_down: float = 0.0
    bytes_up: float = 0.0
    bytes_down: float = 0.0

    @property
    def octets(self) -> float:
        """Bytes per second in both directions together."""
        return self.bytes_up + self.bytes_down

    @property
    def messages(self) -> float:
        """Messages per second in both directions together."""
        return self.messages_up + self.messages_down


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The answers of the admin API at one moment.

    at: seconds of a clock that does not jump
    status, sessions, backends: the answers of these names
    moved: what all sessions moved in the last seconds, if ``sessions`` does not list them all
    """

    at: float
    status: Mapping[str, Any]
    sessions: Mapping[str, Any]
    backends: Mapping[str, Any]
    moved: Rates | None = None

    @property
    def missing_workers(self) -> Sequence[object]:
        """The workers that did not answer."""
        return [*dict.fromkeys([*self.sessions.get("missing_workers", ()), *self.backends.get("missing_workers", ())])]


@dataclass(frozen=True, slots=True)
class Row:
    """A session and its rates since the last snapshot; ``None``: not known, because that did not have it."""

    session: Mapping[str, Any]
    rates: Rates | None


def rows(before: Snapshot | None, now: Snapshot) -> list[Row]:
    """Returns the sessions of a snapshot with their rates since the one before."""
    sessions = now.sessions["sessions"]
    passed = 0.0 if before is None else now.at - before.at
    if before is None or passed <= 0:
        return [Row(session, None) for session in sessions]
    known = {_key(session): session for session in before.sessions["sessions"]}
    return [Row(session, _rates(known.get(_key(session)), session, passed)) for session in sessions]


def total(rows: Sequence[Row]) -> Rates | None:
    """Returns the rates of all rows together; ``None`` if those of none are known."""
    known = [row.rates for row in rows if row.rates is not None]
    if rows and not known:
        return None
    return Rates(*(sum(getattr(rates, name) for rates in known) for name in _COUNTERS))


def _key(session: Mapping[str, Any]) -> tuple[object, object]:
    # A worker that takes the place of another begins with the same ids again
    return session["id"], session["client"]


def _rates(before: Mapping[str, Any] | None, now: Mapping[str, Any], passed: float) -> Rates | None:
    if before is None and now["duration"] > passed:
        return None  # it was open then, but not among those that were listed
    return Rates(*(max(0, now[name] - (0 if before is None else before[name])) / passed for name in _COUNTERS))
