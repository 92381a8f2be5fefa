"""A configuration as ``wsgate check`` looks at it: the file, and what it names on this machine."""

from __future__ import annotations

from wsgate.settings.draft import Draft, Warn
from wsgate.settings.load import read
from wsgate.settings.model import Settings
from wsgate.site.checks import check


def load_checked(path: str, warn: Warn | None = None) -> Settings:
    """Raises ``ConfigError``."""
    return _checked(read(path), warn)


def _checked(draft: Draft, warn: Warn | None = None) -> Settings:
    check(draft)
    return draft.finish(warn)
