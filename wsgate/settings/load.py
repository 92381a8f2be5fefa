"""A configuration file -> Settings, or every problem of the file at once.

Text becomes nodes (``nodes``), nodes become the model (``decode``: shape), the model is checked (``meaning``).
Values may be taken from this process's environment (``environment``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from wsgate.settings.decode import Decoder
from wsgate.settings.meaning import check
from wsgate.settings.model import Settings
from wsgate.settings.nodes import compose
from wsgate.settings.problem import ConfigError, Problem
from wsgate.settings.text import read_text

__all__ = ["ConfigError", "Problem", "load", "loads"]

# Is told of each warning, in file order, also when the file is refused.
Warn = Callable[[Problem], object]


def load(path: str, warn: Warn | None = None) -> Settings:
    """The settings in the file at ``path``. Relative paths in the file are relative to its directory.

    Raises ``ConfigError`` when the file cannot be read or anything in it is wrong.
    """
    return loads(read_text(path), path, warn)


def loads(text: str, name: str, warn: Warn | None = None) -> Settings:
    """The settings in ``text``. ``name`` is the file's: problems show it, relative paths begin at its directory.

    Raises ``ConfigError`` when anything in the text is wrong.
    """
    decoder = Decoder(name, os.environ)
    settings = decoder.settings(compose(text, name))
    check(settings, decoder.fault, decoder.warn, decoder.places)
    if warn is not None:
        for warning in _in_order(decoder.warnings):
            warn(warning)
    if decoder.problems:
        raise ConfigError(_in_order(decoder.problems))
    assert isinstance(settings, Settings)
    return replace(settings, from_environment=decoder.from_environment)


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.place))
