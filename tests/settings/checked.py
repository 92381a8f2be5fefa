"""A configuration as ``wsgate check`` looks at it: the file, and what it names on this machine."""

from __future__ import annotations

from wsgate.settings.draft import OnWarning
from wsgate.settings.load import read
from wsgate.settings.model import Settings
from wsgate.site.build import try_out


def load_checked(path: str, warn: OnWarning | None = None) -> Settings:
    """Raises ``ConfigError``."""
    draft = read(path)
    try:
        try_out(draft)
    finally:
        if warn is not None:
            for warning in draft.warnings_in_order():
                warn(warning)
    return draft.finish()
