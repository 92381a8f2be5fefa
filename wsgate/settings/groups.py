"""The groups of a route's regular expression, which a ``to`` can name in braces."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wsgate.settings.faults import ReportFault
from wsgate.settings.model import PathKind, PathPattern
from wsgate.text.template import names


def groups_of(pattern: PathPattern | None) -> list[str]:
    """Returns the groups of an expression, by name if they have one, else by number."""
    if pattern is None or pattern.kind is not PathKind.REGEX:
        return []
    expression = re.compile(pattern.text)
    by_number = {number: name for name, number in expression.groupindex.items()}
    return [by_number.get(number, str(number)) for number in range(1, expression.groups + 1)]


def group_number(name: str, groups: Sequence[str]) -> int | None:
    """Returns the number of the group that has this name or number; ``None`` if there is none."""
    if name in groups:
        return groups.index(name) + 1
    return int(name) if name.isdecimal() and int(name) <= len(groups) else None


def check_names(to: str, pattern: PathPattern | None, known: Sequence[str], path: str, fault: ReportFault) -> bool:
    """Reports the first name in the braces of ``to`` that stands for nothing, or for two things; returns whether there
    is none.

    known: the names that every route has
    """
    groups = groups_of(pattern)
    for name in names(to):
        if name in known and name in groups:
            fault(path, f"{{{name}}} is the name of a group, too: give the group another name")
            return False
        if name not in known and group_number(name, groups) is None:
            if pattern is None or pattern.kind is not PathKind.REGEX:
                cure = "only an expression has groups, like path: ~/rooms/(?P<room>[^/]+)$"
            else:
                cure = f"the groups are {_listed(groups)}" if groups else "it has no group"
            fault(path, f"{{{name}}} is no part of this route's requests, {_listed(known)} are: {cure}")
            return False
    return True


def _listed(found: Sequence[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in found)
