"""Helpers of the second pass: reporting faults, and checking that exactly one of several keys is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wsgate.settings.draft import Broken

# Reports a problem with the value at a path.
ReportFault = Callable[[str, str], object]
# Reports that the value at a path is valid, but probably not meant.
ReportWarning = Callable[[str, str], object]


def check_choice(mapping: Any, names: Sequence[str], path: str, fault: ReportFault) -> None:
    """Checks that exactly one of the keys ``names`` is there. A ``Broken`` value may have been meant for another
    key."""
    values = [getattr(mapping, name) for name in names]
    chosen = [name for name, value in zip(names, values, strict=True) if value not in (None, ()) and is_there(value)]
    listed = ", ".join(names)
    if len(chosen) > 1:
        fault(path, f"has {' and '.join(chosen)}: write exactly one of {listed}")
    elif not chosen and all(map(is_there, values)):
        fault(path, f"has none of {listed}: write exactly one of them")


def is_there(value: Any) -> bool:
    """Whether a value could be decoded; parts of it may be ``Broken``."""
    return not isinstance(value, Broken)


def items(values: Any) -> Iterator[tuple[int, Any]]:
    """Yields the items of a list, which may be ``Broken``, with their index; nothing if the list itself is."""
    return enumerate(values if isinstance(values, tuple) else ())
