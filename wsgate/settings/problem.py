"""Problems of a configuration file, with their places."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault or a warning.

    line, col: from 1; line 0 means the whole file, for example if it cannot be read
    path: of the value in the model, like ``routes[0].relay.to[1]``; empty for the top of the file
    is_warning: the file is valid, but probably does not do what is wanted
    """

    file: str
    line: int
    col: int
    path: str
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.col}" if self.line else self.file
        kind = "warning" if self.is_warning else ""
        return ": ".join(part for part in (where, kind, self.path, self.message) if part)

    @property
    def place(self) -> tuple[int, int]:
        """Line and column, for sorting problems in the order of the file."""
        return self.line, self.col


class ConfigError(Exception):
    """A configuration file is refused. ``problems`` has all of its faults, at least one, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))
