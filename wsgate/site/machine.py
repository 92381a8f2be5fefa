"""Checks this machine for what the settings need: directories, packages."""

from __future__ import annotations

import importlib.util
import os

from wsgate.text.file import owners


def directory_problem(directory: str, needs: int = os.X_OK) -> str | None:
    """Returns why a directory does not exist or cannot be used; ``None`` if it can.

    needs: the mode for ``os.access``
    """
    if not os.path.isdir(directory):
        what = "is not a directory" if os.path.exists(directory) else "does not exist"
        return f"the directory {directory!r} {what}"
    if not os.access(directory, needs | os.X_OK, effective_ids=True):
        if needs & os.W_OK:
            return f"the directory {directory!r} cannot be written to: {cure_for_writing(directory)}"
        return f"the directory {directory!r} cannot be read: {_permit(directory)}"
    return None


def cure_for_writing(path: str) -> str:
    """Returns what to do about a file or directory that cannot be written to."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "its file system is read-only: mount a volume there, or name another place"
    return _permit(path)


def _permit(path: str) -> str:
    return f"permit it to the user that runs wsgate: {owners(path)}"


def is_installed(module: str) -> bool:
    """Returns whether a module can be imported, without doing so; of a module in packages these are imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package that it would be in
        return False
    except ValueError:  # it is imported and knows not from where
        return True
