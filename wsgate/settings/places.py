"""The places of values in their file, so that a fault that is found later is reported with its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsgate.settings.environment import Mask
from wsgate.settings.problem import Problem


@dataclass(slots=True)
class Places:
    """The place of each value in the file.

    file: its name; empty if the settings come from no file
    by_path: line and column of each value in the file, by its path
    mask: hides values of the environment in messages
    """

    file: str = ""
    by_path: dict[str, tuple[int, int]] = field(default_factory=dict)
    mask: Mask = field(default_factory=Mask, repr=False)

    def __contains__(self, path: object) -> bool:
        return path in self.by_path

    def find(self, path: str) -> tuple[int, int]:
        """Returns line and column of a value; for a missing one those of the mapping or list around it."""
        while path and path not in self.by_path:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.by_path.get(path, (0, 0))

    def as_written(self, path: str) -> str:
        """Returns the path of a value as the file has it: a list of one item may be written as the item alone."""
        alone = path.removesuffix("[0]")
        return alone if path not in self.by_path and alone in self.by_path else path

    def problem(
        self, path: str, message: str, place: tuple[int, int] | None = None, *, is_warning: bool = False
    ) -> Problem:
        """Returns a problem with the value at ``path``. ``place``: line and column, if not those of the value."""
        line, col = place or self.find(path)
        return Problem(self.file, line, col, path, self.mask.apply(message), is_warning)
