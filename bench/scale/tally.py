"""What the clients have met, and which sessions are open: from the lines of ``clients.c``."""

from __future__ import annotations

from dataclasses import dataclass

DIAL, OPEN, CLOSE, LOST, SILENT, REFUSED = "dial", "open", "close", "lost", "silent", "refused"
ENDS = (CLOSE, LOST, SILENT)


@dataclass(frozen=True, slots=True)
class Event:
    """A line.

    at: seconds of the monotonic clock
    replica, backend: where the session is, or was; empty if there was none
    code: of a Close, or the status of a refusal
    """

    at: float
    kind: str
    client: int
    replica: str = ""
    backend: str = ""
    code: int = 0


class Tally:
    """The events so far, and the open sessions by client: replica and backend."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.open: dict[int, tuple[str, str]] = {}

    def add(self, line: str) -> None:
        """Takes the next line. Raises ``ValueError`` for one that cannot be."""
        at, kind, client, *rest = line.split()
        number = int(client)
        replica, backend = self.open.get(number, ("", ""))
        code = 0
        if kind == OPEN:
            if replica:
                raise ValueError(f"opened twice: {line}")
            replica, backend = rest
            self.open[number] = replica, backend
        elif kind in ENDS:
            if not replica:
                raise ValueError(f"was not open: {line}")
            del self.open[number]
            code = int(rest[0]) if kind == CLOSE else 0
        elif kind == REFUSED:
            code = int(rest[0])
        elif kind != DIAL:
            raise ValueError(f"unknown: {line}")
        self.events.append(Event(float(at), kind, number, replica, backend, code))

    def on(self, replica: str) -> int:
        """Returns how many sessions a replica has. May be called while another thread adds."""
        return sum(each == replica for each, _ in list(self.open.values()))
