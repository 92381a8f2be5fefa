"""Checks this machine for what the settings need: directories, packages."""

from __future__ import annotations

import importlib.util
import os


def directory_problem(directory: str, needs: int = os.X_OK) -> str | None:
    """Returns why a directory does not exist or cannot be used; ``None`` if it can.

    needs: the mode for ``os.access``
    """
    if not os.path.isdir(directory):
        what = "is not a directory" if os.path.exists(directory) else "does not exist"
        return f"the directory {directory!r} {what}"
    if not os.access(directory, needs | os.X_OK, effective_ids=True):
        what = "written to" if needs & os.W_OK else "read"
        return f"the directory {directory!r} cannot be {what}: permit it to the user that runs wsgate"
    return None


def is_installed(module: str) -> bool:
    """Returns whether a module can be imported, without doing so; of a module in packages these are imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package that it would be in
        return False
    except ValueError:  # it is imported and knows not from where
        return True
