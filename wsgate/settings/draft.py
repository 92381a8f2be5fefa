"""A configuration as far as it could be decoded, with all that is wrong with it so far.

Who finds more that is wrong, on this machine say, notes it here: so a file is refused once, with every fault of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from wsgate.settings.model import Settings
from wsgate.settings.places import Places
from wsgate.settings.problem import ConfigError, Problem

# Is told of each warning, in file order, also when the file is refused.
Warn = Callable[[Problem], object]


class Broken:
    """Stands where a right value is missing. Not equal to any other, so that nothing is compared with it."""


@dataclass(slots=True)
class Draft:
    """The Settings of one file, in which a value that is wrong is ``Broken``; in their place, where nothing is right.

    problems: the faults
    warnings: what is taken, but probably does not do what its writer wants
    from_environment: what the file has for each value that came from the environment, by its path
    """

    settings: Any
    places: Places = field(default_factory=Places)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    from_environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Draft:
        """Of settings in which nothing is wrong so far."""
        return cls(settings, settings.places, from_environment=settings.from_environment)

    def fault(self, path: str, message: str) -> None:
        """Note a fault of the value at ``path``. What the file leaves out is shown at what it would stand in."""
        self.problems.append(self.places.problem(self.places.as_written(path), message))

    def warn(self, path: str, message: str) -> None:
        """Note that the value at ``path`` is taken, but that its writer probably wants something else. The message says
        what to write instead."""
        self.warnings.append(self.places.problem(path, message, is_warning=True))

    def is_wrong(self, path: str) -> bool:
        """Whether a fault of just the value at ``path`` is noted: nothing more is to be said of what is in it."""
        return any(problem.path == path for problem in self.problems)

    def warnings_in_order(self) -> tuple[Problem, ...]:
        """Returns the warnings as they stand in the file."""
        return _in_order(self.warnings)

    def finish(self, warn: Warn | None = None) -> Settings:
        """The Settings. ``warn`` is told of the warnings, in file order.

        Raises ``ConfigError`` with every fault, in file order, when there is one.
        """
        if warn is not None:
            for warning in self.warnings_in_order():
                warn(warning)
        if self.problems:
            raise ConfigError(_in_order(self.problems))
        assert isinstance(self.settings, Settings)
        return self.settings


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """As they stand in the file."""
    return tuple(sorted(problems, key=lambda problem: problem.place))


def is_whole(value: Any) -> bool:
    """Whether there is nothing Broken in a value."""
    if isinstance(value, tuple):
        return all(map(is_whole, value))
    if is_dataclass(value):
        return all(is_whole(getattr(value, field.name)) for field in fields(value))
    return not isinstance(value, Broken)
