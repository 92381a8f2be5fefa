"""What the checks of the second pass share: how faults are noted, and what is asked of files and directories."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from wsgate.settings.decode import Broken

# Notes a problem with the value at a path.
Fault = Callable[[str, str], object]
# Notes that the value at a path is taken, but probably does not do what its writer wants.
Warn = Callable[[str, str], object]


def is_whole(value: Any) -> bool:
    """Whether there is nothing Broken in a value."""
    if isinstance(value, tuple):
        return all(map(is_whole, value))
    if is_dataclass(value):
        return all(is_whole(getattr(value, field.name)) for field in fields(value))
    return not isinstance(value, Broken)


def pass_on(faults: Iterable[tuple[str, str]], path: str, fault: Fault) -> None:
    """Note faults whose paths begin below ``path``."""
    for below, message in faults:
        fault(f"{path}.{below}" if below else path, message)


def check_choice(mapping: Any, names: Sequence[str], path: str, fault: Fault) -> None:
    """That exactly one of the keys ``names`` is written. What is Broken may have been meant for another."""
    values = [getattr(mapping, name) for name in names]
    chosen = [name for name, value in zip(names, values, strict=True) if value not in (None, ()) and is_there(value)]
    listed = ", ".join(names)
    if len(chosen) > 1:
        fault(path, f"has {' and '.join(chosen)}: write exactly one of {listed}")
    elif not chosen and all(map(is_there, values)):
        fault(path, f"has none of {listed}: write exactly one of them")


def is_there(value: Any) -> bool:
    """Whether a value could be decoded; there may be Broken parts in it."""
    return not isinstance(value, Broken)


def check_file(file: Any, path: str, fault: Fault) -> None:
    """That a file can be read, where one is named."""
    if not isinstance(file, str):
        return
    if not os.path.isfile(file):
        fault(path, f"{file!r} is not a file" if os.path.exists(file) else f"the file {file!r} does not exist")
    elif not os.access(file, os.R_OK, effective_ids=True):
        fault(path, f"the file {file!r} cannot be read: permit it to the user that runs wsgate")


def check_directory(directory: Any, path: str, fault: Fault, needs: int = os.X_OK) -> None:
    """That a directory is there, where one is named, and that it can be used as it ``needs`` to be."""
    if not isinstance(directory, str):
        return
    if not os.path.isdir(directory):
        what = "is not a directory" if os.path.exists(directory) else "does not exist"
        fault(path, f"the directory {directory!r} {what}")
    elif not os.access(directory, needs | os.X_OK, effective_ids=True):
        what = "written to" if needs & os.W_OK else "read"
        fault(path, f"the directory {directory!r} cannot be {what}: permit it to the user that runs wsgate")


def is_installed(module: str) -> bool:
    """Whether a top-level module can be imported, without doing so."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it is imported and knows not from where
        return True


def at(path: str, index: int, given: Container[str]) -> str:
    """The path of a list's item; a list of one may be written as the one."""
    item = f"{path}[{index}]"
    return item if index or item in given else path


def items(values: Any) -> Iterator[tuple[int, Any]]:
    """The items of a list with their index; none where the list is Broken, while an item may be."""
    return enumerate(values if isinstance(values, tuple) else ())
