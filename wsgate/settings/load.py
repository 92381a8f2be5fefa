"""A configuration file -> ``Settings``, or all problems of the file at once.

Text becomes nodes (``nodes``), nodes become the model (``decode``: the shape of values), and the model is checked
(``meaning``: how values fit together). Values may come from the environment (``environment``). Files that the settings
name are not read here: ``site`` does that, with the ``Draft``.
"""

from __future__ import annotations

import os
from dataclasses import replace

from wsgate.settings.decode import Decoder
from wsgate.settings.draft import Draft, OnWarning
from wsgate.settings.meaning import check
from wsgate.settings.model import Settings
from wsgate.settings.nodes import compose
from wsgate.settings.problem import ConfigError, Problem
from wsgate.settings.text import read_text

__all__ = ["ConfigError", "Problem", "load", "loads", "read", "reads"]


def read(path: str) -> Draft:
    """Reads the file at ``path``. Relative paths in it are relative to its directory.

    Raises ``ConfigError`` when the file cannot be read, or is no YAML.
    """
    return reads(read_text(path), path)


def reads(text: str, name: str) -> Draft:
    """Reads ``text``. ``name``: of the file, for problems; relative paths are relative to its directory.

    Raises ``ConfigError`` when the text is no YAML.
    """
    decoder = Decoder(name, os.environ)
    draft = decoder.draft(compose(text, name))
    check(draft.settings, draft.fault, draft.warn, draft.places)
    if isinstance(draft.settings, Settings):
        draft.settings = replace(draft.settings, places=draft.places, from_environment=draft.from_environment)
    return draft


def load(path: str, warn: OnWarning | None = None) -> Settings:
    """Returns the settings in the file at ``path``. The files that they name are not checked.

    Raises ``ConfigError`` when the file cannot be read or anything in it is wrong.
    """
    return loads(read_text(path), path, warn)


def loads(text: str, name: str, warn: OnWarning | None = None) -> Settings:
    """Returns the settings in ``text``. ``name``: of the file, for problems; relative paths begin at its directory.

    Raises ``ConfigError`` when anything in the text is wrong.
    """
    return reads(text, name).finish(warn)
