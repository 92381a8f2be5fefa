"""What this machine has of that which settings name: files, directories, packages."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from wsgate.settings.draft import Draft


def check_file(file: Any, path: str, draft: Draft) -> None:
    """That a file can be read, where one is named."""
    if not isinstance(file, str):
        return
    if not os.path.isfile(file):
        draft.fault(path, f"{file!r} is not a file" if os.path.exists(file) else f"the file {file!r} does not exist")
    elif not os.access(file, os.R_OK, effective_ids=True):
        draft.fault(path, f"the file {file!r} cannot be read: permit it to the user that runs wsgate")


def check_directory(directory: Any, path: str, draft: Draft, needs: int = os.X_OK) -> None:
    """That a directory is there, where one is named, and that it can be used as it ``needs`` to be."""
    if not isinstance(directory, str):
        return
    if not os.path.isdir(directory):
        what = "is not a directory" if os.path.exists(directory) else "does not exist"
        draft.fault(path, f"the directory {directory!r} {what}")
    elif not os.access(directory, needs | os.X_OK, effective_ids=True):
        what = "written to" if needs & os.W_OK else "read"
        draft.fault(path, f"the directory {directory!r} cannot be {what}: permit it to the user that runs wsgate")


def is_installed(module: str) -> bool:
    """Whether a top-level module can be imported, without doing so."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it is imported and knows not from where
        return True
