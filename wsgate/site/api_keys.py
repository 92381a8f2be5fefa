"""API keys and who has them, from a file that has their hashes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from wsgate.events.emit import emit
from wsgate.settings.model import ApiKeyAuth
from wsgate.site.credential import Credential
from wsgate.site.line_file import LineFile
from wsgate.text.api_key import ApiKeyLine, api_key_line
from wsgate.text.lines import each_line


@dataclass(slots=True)
class _Table:
    """Names by the digest of their key."""

    names: dict[bytes, str] = field(default_factory=dict)
    wrong: dict[int, str] = field(default_factory=dict)

    @property
    def problems(self) -> dict[int, str]:
        return self.wrong


class ApiKeys(Credential):
    """The keys of one ``auth.api_keys``."""

    def __init__(self, settings: ApiKeyAuth) -> None:
        self.settings = settings
        self._file = LineFile(settings.file, _table, self._tell)

    def load(self) -> Sequence[tuple[str, str]]:
        return [("file", problem) for problem in self._file.load()]

    async def name_of(self, digest: bytes) -> str | None:
        """Returns the name of who has a key; ``None`` if nobody has it. The caller bounds the time.

        The time of a look-up by digest tells nothing of other keys: nobody can choose the digest of a guess.

        digest: of the key, by ``digest_of``

        Raises ``SourceError`` when the file cannot be read.
        """
        return (await self._file.get()).names.get(digest)

    async def present(self) -> Container[object]:
        """Returns the digests of all keys."""
        return (await self._file.get()).names

    def _tell(self, line: int, problem: str) -> None:
        emit(logging.WARNING, "key file has a wrong line", file=self.settings.file, line=line, problem=problem)


def digest_of(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _table(data: bytes) -> _Table:
    """Returns the keys in a file. A name may have several, while they are exchanged."""
    table = _Table()
    lines: dict[bytes, int] = {}
    for number, line in each_line(data, api_key_line):
        if not isinstance(line, ApiKeyLine):
            table.wrong[number] = str(line)
        elif (first := lines.setdefault(line.digest, number)) != number:
            table.wrong[number] = f"line {first} has this key already: remove one of them"
        else:
            table.names[line.digest] = line.name
    return table
