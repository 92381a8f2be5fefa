"""What is wrong with a configuration file, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault, or one warning. Lines and columns count from 1; line 0 means the file as a whole (it cannot be read,
    say).

    ``path`` names the value as the model does (``routes[0].relay.to[1]``); it is empty for the top of the file.
    ``is_warning``: the file is taken all the same, but probably does not do what its writer wants.
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
        """Line and column, which sort problems as they stand in the file."""
        return self.line, self.col


class ConfigError(Exception):
    """A configuration file is refused. ``problems`` has every fault of it, in file order, and at least one."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))
