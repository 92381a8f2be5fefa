"""A file with an entry in each line, read again when it changes. Its wrong lines are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from wsgate.site.tokens.fresh import Fresh
from wsgate.site.tokens.memory import Memory
from wsgate.site.tokens.source import SourceError

MAX_FILE = 4 << 20  # bytes
_MAX_NAMED = 10  # wrong lines of one file


class Lines(Protocol):
    """What such a file says.

    wrong: faults of malformed lines, by number
    problems: these, and what else is wrong on this machine with a line that is well-formed
    """

    @property
    def wrong(self) -> Mapping[int, str]: ...

    @property
    def problems(self) -> Mapping[int, str]: ...


T = TypeVar("T", bound=Lines)


class LineFile(Generic[T]):
    """The file at ``path``.

    tell: logs a line that is wrong in a file that has changed: its number, and what is wrong
    """

    def __init__(self, path: str, parse: Callable[[bytes], T], tell: Callable[[int, str], None]) -> None:
        self.path = path
        self._fresh = Fresh(path, parse, MAX_FILE)
        self._memory = Memory(self._read)
        self._tell = tell
        self._told: T | None = None  # of its wrong lines

    def load(self) -> Sequence[str]:
        """Reads the file, before its first use. Call it in a thread. Returns its faults."""
        try:
            self._told = found = self._fresh.get()
        except SourceError as error:
            return [str(error)]
        wrong = [f"line {number} of {self.path!r}: {problem}" for number, problem in sorted(found.problems.items())]
        if len(wrong) > _MAX_NAMED:
            return [*wrong[:_MAX_NAMED], f"{len(wrong) - _MAX_NAMED} more lines of {self.path!r} are wrong"]
        return wrong

    async def get(self) -> T:
        """Returns what the file says: the same object while it does not change. The caller bounds the time.

        Raises ``SourceError`` when it cannot be read.
        """
        return await self._memory.get()

    def _read(self) -> T:
        """Reads the file; runs in a thread. Logs wrong lines once for each change; other lines stay valid."""
        found = self._fresh.get()
        if found is not self._told:
            self._told = found
            for number, problem in found.wrong.items():
                self._tell(number, problem)
        return found
