"""What the checks of the second pass share: how faults are noted, and what a choice of keys is."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

from wsgate.settings.draft import Broken

# Notes a problem with the value at a path.
Fault = Callable[[str, str], object]
# Notes that the value at a path is taken, but probably does not do what its writer wants.
Warn = Callable[[str, str], object]


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


def at(path: str, index: int, given: Container[str]) -> str:
    """The path of a list's item; a list of one may be written as the one."""
    item = f"{path}[{index}]"
    return item if index or item in given else path


def items(values: Any) -> Iterator[tuple[int, Any]]:
    """The items of a list with their index; none where the list is Broken, while an item may be."""
    return enumerate(values if isinstance(values, tuple) else ())
