"""What a route's clients are checked with: one live object for each kind of credential that ``auth`` has."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence


class _Anything:
    def __contains__(self, entry: object) -> bool:
        return True


ANYTHING: Container[object] = _Anything()


class Credential:
    """One kind of credential, made from its settings. Routes with the same settings share it, also after a reload.

    writes: the names, in lower case, of all fields that it may write for a backend. Clients cannot send them
    """

    writes: Collection[bytes] = ()

    def load(self) -> Sequence[tuple[str, str]]:
        """Reads the files that the settings name, before the first client. In a thread, at each start and reload.

        Returns the faults, each with the path of its setting below the kind's.
        """
        return ()

    async def run(self) -> None:
        """Does what goes on while the site has it, until cancelled. Returns if that is nothing."""

    async def present(self) -> Container[object]:
        """Returns the entries of its file or list that are valid now: the same object while they do not change.

        An ``Identity`` has one of them. The caller bounds the time. Raises ``SourceError`` when that cannot be told.
        """
        return ANYTHING

    def close(self) -> None:
        """Releases what it holds, because the settings do not have it any more."""
