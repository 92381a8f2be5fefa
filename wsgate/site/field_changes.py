"""The header fields that a route changes, ready to be applied to each message."""

from __future__ import annotations

from collections.abc import Callable

from wsgate.settings.model import ToBackend, ToClient
from wsgate.text.variables import variables_in, with_values
from wsgate.wire.headers import Headers, alike, without_names

ValueOf = Callable[[str], str]


class FieldChanges:
    """What ``set``, ``add`` and ``remove`` of one direction do.

    dropped: the names, in lower case, of fields that go no further; with each the form that servers may take it for
    """

    __slots__ = ("_added", "dropped")

    def __init__(self, changes: ToBackend | ToClient) -> None:
        names = [name.lower() for name, _ in changes.set_] + list(changes.remove)
        self.dropped = frozenset(form for name in names for form in (name.encode(), alike(name.encode())))
        self._added = [
            (name.encode(), value.encode("latin-1"), value if variables_in(value) else "")
            for name, value in (*changes.set_, *changes.add)
        ]

    def added(self, value_of: ValueOf) -> list[tuple[bytes, bytes]]:
        """Returns the fields of ``set`` and ``add``, without those of whose value nothing remains.

        value_of: returns the value of a variable
        """
        made = (
            (name, with_values(template, value_of).encode("latin-1") if template else value)
            for name, value, template in self._added
        )
        return [(name, value) for name, value in made if value]

    def apply(self, headers: Headers, value_of: ValueOf) -> list[tuple[bytes, bytes]]:
        """Returns the fields after the changes."""
        return [*without_names(headers, self.dropped), *self.added(value_of)]


def field_changes(changes: ToBackend | ToClient) -> FieldChanges | None:
    """Returns the changes; ``None`` if there are none."""
    return FieldChanges(changes) if changes.set_ or changes.add or changes.remove else None
