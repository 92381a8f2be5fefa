"""The gateway from outside: what it has written, and what it holds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Log:
    """Its lines, counted by event as they come. ``faults`` are those that should not be there."""

    def __init__(self, file: Path) -> None:
        self.events: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.faults: list[str] = []
        self._file = file.open("rb")
        self._rest = b""

    def look(self) -> None:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            self._add(line)

    def close(self) -> None:
        self._file.close()

    def _add(self, line: bytes) -> None:
        try:
            fields: dict[str, Any] = json.loads(line)
            self.events[fields["event"]] += 1
        except (ValueError, LookupError):
            self.faults.append(line.decode("utf-8", "replace"))
            return
        if fields["event"] == "listening":
            self.addresses.append(fields["address"])
        if fields["level"] == "error" or "traceback" in fields or fields["event"] == "bug":
            self.faults.append(line.decode())


@dataclass(frozen=True)
class Held:
    """What the gateway's processes have, all together. memory: bytes that are their own"""

    processes: int
    descriptors: int
    threads: int
    memory: int

    @classmethod
    def by(cls, pid: int) -> Held:
        family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        return cls(
            len(family),
            sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in family),
            sum(_field(each, "status", "Threads:") for each in family),
            sum(_field(each, "smaps_rollup", "Pss_Anon:") for each in family) << 10,
        )


def _field(pid: int, file: str, name: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise AssertionError(f"no {name} in /proc/{pid}/{file}")
