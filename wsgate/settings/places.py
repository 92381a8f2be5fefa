"""Where the values stand in the file that they come from: what is found wrong with one later is told with its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsgate.settings.environment import Mask
from wsgate.settings.problem import Problem


@dataclass(slots=True)
class Places:
    """Where each value stands in the file.

    file: its name, empty where the settings come from no file
    by_path: line and column of each value that the file has, by its path
    mask: hides in messages what came from the environment
    """

    file: str = ""
    by_path: dict[str, tuple[int, int]] = field(default_factory=dict)
    mask: Mask = field(default_factory=Mask, repr=False)

    def __contains__(self, path: object) -> bool:
        return path in self.by_path

    def find(self, path: str) -> tuple[int, int]:
        """Of a value that the file leaves out, the place of what it would stand in."""
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
        """A problem with the value at ``path``; ``place`` where it is not that value's own."""
        line, col = place or self.find(path)
        return Problem(self.file, line, col, path, self.mask.apply(message), is_warning)
