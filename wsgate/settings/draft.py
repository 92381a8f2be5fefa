"""A configuration as far as it could be decoded, with all faults so far.

Later checks, for example of the files that it names, add their faults here. So a configuration is refused once, with
all of its faults.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from wsgate.settings.model import Settings
from wsgate.settings.places import Places
from wsgate.settings.problem import ConfigError, Problem
from wsgate.settings.secrets import NO_SUCH_FILE

# Called with each warning, in file order, also if the file is refused.
OnWarning = Callable[[Problem], object]


class Broken:
    """Replaces a wrong value. It is not equal to any other value, so no comparison matches it."""


@dataclass(slots=True)
class Draft:
    """The settings of a file, with ``Broken`` for each wrong value, or ``Broken`` for all of them.

    problems: the faults
    warnings: for values that are valid but probably not meant
    from_environment: the text of the file for each value from the environment, by its path
    files: the files and directories that are named
    """

    settings: Any
    places: Places = field(default_factory=Places)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    from_environment: Mapping[str, str] = field(default_factory=dict)
    files: Collection[str] = ()

    @classmethod
    def of(cls, settings: Settings) -> Draft:
        """Returns the draft of settings without a fault so far."""
        return cls(settings, settings.places, from_environment=settings.from_environment)

    def fault(self, path: str, message: str) -> None:
        """Reports a fault of the value at ``path``. A missing value gets the place of the mapping around it."""
        self.problems.append(self.places.problem(self.places.as_written(path), message))

    def faults(self, path: str, below: Iterable[tuple[str, str]]) -> None:
        """Reports faults of values below ``path``: for each the rest of its path, empty for ``path`` itself, and the
        message."""
        for rest, message in below:
            self.fault(f"{path}.{rest}" if rest else path, message)

    def hides(self, message: str) -> bool:
        """Whether this message of a missing file is not shown: a secret may stand where the file's path belongs."""
        return self.places.mask.apply(message) == NO_SUCH_FILE

    def warn(self, path: str, message: str) -> None:
        """Reports that the value at ``path`` is valid, but probably not meant. The message says what to write
        instead."""
        self.warnings.append(self.places.problem(path, message, is_warning=True))

    def is_wrong(self, path: str) -> bool:
        """Whether a fault of exactly the value at ``path`` is reported, so that its parts need no check."""
        return any(problem.path == path for problem in self.problems)

    def warnings_in_order(self) -> tuple[Problem, ...]:
        """Returns the warnings in the order of the file."""
        return _in_order(self.warnings)

    def finish(self, warn: OnWarning | None = None) -> Settings:
        """Returns the settings.

        warn: called with each warning, in file order

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
    """Returns problems in the order of the file."""
    return tuple(sorted(problems, key=lambda problem: problem.place))


def is_whole(value: Any) -> bool:
    """Whether a value has no ``Broken`` part."""
    if isinstance(value, tuple):
        return all(map(is_whole, value))
    cls: type = type(value)
    if names := _field_names(cls):
        return all(is_whole(getattr(value, name)) for name in names)
    return not isinstance(value, Broken)


@functools.cache
def _field_names(cls: type) -> tuple[str, ...]:
    """Returns the names of a dataclass's fields; nothing for any other class."""
    return tuple(field.name for field in fields(cls)) if is_dataclass(cls) else ()
