"""Users and their passwords, from the configuration and from a file, by the hashes of htpasswd(1).

The check of a bcrypt hash is slow. So results are kept for a while, by a keyed digest of the password: a page has
dozens of files, and programs repeat a wrong password. A check takes equally long for an unknown user, so that clients
cannot find out which users exist.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
from collections import OrderedDict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

import trio

from wsgate.events.emit import emit
from wsgate.settings.model import Basic
from wsgate.site.credential import Credential
from wsgate.site.hashing import hashing
from wsgate.site.line_file import LineFile
from wsgate.site.machine import is_installed
from wsgate.site.tokens.source import SourceError
from wsgate.text.error import TextError
from wsgate.text.htpasswd import BCRYPT, Entry, entries, entry

_MAX_PASSWORD = 72  # bytes of it that count with bcrypt, as htpasswd has it
_REMEMBERED = 1024  # passwords that were right, and as many that were wrong
_LIFE = 600.0  # seconds for which they are
_NO_BCRYPT = "a bcrypt hash needs bcrypt, not installed here: pip install 'wsgate[basic]'"
_NOBODY = "{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(slots=True)
class _Table:
    """Hashes by user.

    wrong: faults of malformed lines, by number
    unusable: why a user's password cannot be checked here, by the line's number
    dearest: one of the hashes that take longest to check
    """

    users: dict[str, str]
    wrong: dict[int, str] = field(default_factory=dict)
    unusable: dict[int, str] = field(default_factory=dict)
    dearest: str = field(init=False)

    def __post_init__(self) -> None:
        self.dearest = max(self.users.values(), key=_cost, default=_NOBODY)

    @property
    def problems(self) -> dict[int, str]:
        return {**self.wrong, **self.unusable}


class _Remembered:
    """Digests of passwords that were checked, for a while."""

    def __init__(self) -> None:
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        return self._until.get(digest, 0.0) > trio.current_time()

    def add(self, digest: bytes) -> None:
        self._until.pop(digest, None)
        self._until[digest] = trio.current_time() + _LIFE
        if len(self._until) > _REMEMBERED:
            self._until.popitem(last=False)


class Users(Credential):
    """The users of one ``auth.basic``."""

    def __init__(self, basic: Basic) -> None:
        self.settings = basic
        self._own = _table((number, _entry(line)) for number, line in enumerate(basic.users))
        self._file = None if basic.file is None else LineFile(basic.file, _parse, self._tell)
        self._present: tuple[_Table, Container[object]] | None = None  # the users, with the file of which they are
        self._key = os.urandom(32)
        self._right, self._wrong = _Remembered(), _Remembered()

    async def knows(self, user: str, password: bytes, address: str = "") -> bool:
        """Whether this is the user's password. The caller bounds the time.

        address: the client's, as ``hashing.network`` returns it

        Raises ``SourceError`` when the file cannot be read, ``Busy`` when too many checks are waiting.
        """
        hashed, dearest = self._own.users.get(user), self._own.dearest
        if self._file is not None:
            read = await self._file.get()
            hashed = hashed or read.users.get(user)
            dearest = max(dearest, read.dearest, key=_cost)
        known = hashed or dearest
        digest = hmac.digest(self._key, b"\0".join([user.encode(), known.encode(), password]), "sha256")
        if hashed is not None and digest in self._right:  # does not wait behind guessed passwords
            return True
        if digest in self._wrong:
            return False

        def check() -> bool:
            right = matches(known, password) and hashed is not None
            if not right and _cost(known) < _cost(dearest):  # otherwise a quick answer would show that the user exists
                matches(dearest, password)
            return right

        right = await hashing().check(address, check)
        (self._right if right else self._wrong).add(digest)
        return right

    async def present(self) -> Container[object]:
        """Returns the names of all users."""
        if self._file is None:
            return self._own.users
        read = await self._file.get()
        if self._present is None or self._present[0] is not read:
            self._present = read, self._own.users.keys() | read.users.keys()
        return self._present[1]

    def load(self) -> list[tuple[str, str]]:
        """Reads the file, before the first password. Call it in a thread.

        Returns the faults, each with the path of its setting below ``basic``.
        """
        problems = [(f"users[{number}]", problem) for number, problem in self._own.unusable.items()]
        return problems if self._file is None else [*problems, *(("file", problem) for problem in self._file.load())]

    def _tell(self, line: int, problem: str) -> None:
        emit(logging.WARNING, "password file has a wrong line", file=self.settings.file, line=line, problem=problem)


def _parse(data: bytes) -> _Table:
    return _table(entries(data))


def _entry(line: str) -> Entry | TextError:
    try:
        return entry(line)
    except TextError as error:
        return error


def _table(lines: Iterable[tuple[int, Entry | TextError]]) -> _Table:
    """Returns the users in some lines; of two for one user the first counts, as with Apache and nginx."""
    users: dict[str, str] = {}
    wrong: dict[int, str] = {}
    unusable: dict[int, str] = {}
    has_bcrypt = is_installed("bcrypt")
    for number, line in lines:
        if not isinstance(line, Entry):
            wrong[number] = str(line)
            continue
        users.setdefault(line.user, line.hashed)
        if line.needs_bcrypt and not has_bcrypt:
            unusable[number] = _NO_BCRYPT
    return _Table(users, wrong, unusable)


def matches(hashed: str, password: bytes) -> bool:
    """Whether a password has this hash: ``{PLAIN}``, ``{SHA}``, ``{SSHA}`` or bcrypt. False for any other kind."""
    if hashed.startswith("{PLAIN}"):
        known = hashed.removeprefix("{PLAIN}").encode()
        # compares digests, because the time of comparing different lengths would show the length
        return hmac.compare_digest(hashlib.sha256(known).digest(), hashlib.sha256(password).digest())
    if hashed.startswith(("{SHA}", "{SSHA}")):
        try:
            known = base64.b64decode(hashed.partition("}")[2], validate=True)
        except (binascii.Error, ValueError):
            return False
        digest, salt = known[:20], known[20:]
        return hmac.compare_digest(digest, hashlib.sha1(password + salt, usedforsecurity=False).digest())
    if hashed.startswith(BCRYPT):
        try:
            import bcrypt  # of the extra basic: needed only for such hashes
        except ImportError:  # at the start no user had such a hash
            raise SourceError(_NO_BCRYPT) from None
        try:
            return bcrypt.checkpw(password[:_MAX_PASSWORD], hashed.encode())
        except ValueError:  # an incomplete hash, or a password with a zero byte
            return False
    return False


def _cost(hashed: str) -> str:
    """Returns a text for comparing the time of checks: bcrypt's cost, two digits; empty for other hashes."""
    return hashed[4:6] if hashed.startswith(BCRYPT) else ""
