"""Users and their passwords, by the hashes that htpasswd(1) writes, from the configuration and from a file.

A bcrypt hash is meant to cost time, so what was right or wrong is remembered for a while by a keyed digest: a page has
dozens of files, and a program that has the wrong password tries again and again. A user who does not exist costs as
much as one who does, so that nobody can tell them apart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import trio

from wsgate.events.emit import emit
from wsgate.settings.model import Basic
from wsgate.site.hashing import hashing
from wsgate.site.machine import is_installed
from wsgate.site.tokens.fresh import Fresh
from wsgate.site.tokens.memory import Memory
from wsgate.site.tokens.source import SourceError
from wsgate.text.error import TextError
from wsgate.text.htpasswd import BCRYPT, Entry, entries, entry

MAX_FILE = 4 << 20  # bytes
_MAX_PASSWORD = 72  # bytes of it that count with bcrypt, as htpasswd has it
_REMEMBERED = 1024  # passwords that were right, and as many that were wrong
_LIFE = 600.0  # seconds for which they are
_MAX_NAMED = 10  # wrong lines of one file
_NO_BCRYPT = "a bcrypt hash needs bcrypt, not installed here: pip install 'wsgate[basic]'"
_NOBODY = "{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(slots=True)
class _Table:
    """Hashes by user.

    wrong: why a line is none of a user, by its number
    unusable: why a user's password cannot be checked here, by the line's number
    dearest: of the hashes, one that takes longest to check
    """

    users: dict[str, str]
    wrong: dict[int, str] = field(default_factory=dict)
    unusable: dict[int, str] = field(default_factory=dict)
    dearest: str = field(init=False)

    def __post_init__(self) -> None:
        self.dearest = max(self.users.values(), key=_cost, default=_NOBODY)


class _Remembered:
    """Digests of what was sent, for a while."""

    def __init__(self) -> None:
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        return self._until.get(digest, 0.0) > trio.current_time()

    def add(self, digest: bytes) -> None:
        self._until.pop(digest, None)
        self._until[digest] = trio.current_time() + _LIFE
        if len(self._until) > _REMEMBERED:
            self._until.popitem(last=False)


class Users:
    """Those of one ``auth.basic``."""

    def __init__(self, basic: Basic) -> None:
        self._own = _table((number, _entry(line)) for number, line in enumerate(basic.users))
        self._path = basic.file
        self._fresh = None if basic.file is None else Fresh(basic.file, _parse, MAX_FILE)
        self._file = None if self._fresh is None else Memory(self._read)
        self._told: _Table | None = None  # of its wrong lines
        self._key = os.urandom(32)
        self._right, self._wrong = _Remembered(), _Remembered()

    async def knows(self, user: str, password: bytes, address: str = "") -> bool:
        """Whether this is the user's password. The caller bounds the time.

        address: the client's, beside whose others it stands in line
        Raises ``SourceError`` where the file cannot be read, ``Busy`` where too many wait.
        """
        hashed, dearest = self._own.users.get(user), self._own.dearest
        if self._file is not None:
            read = await self._file.get()
            hashed = hashed or read.users.get(user)
            dearest = max(dearest, read.dearest, key=_cost)
        known = hashed or dearest
        digest = hmac.digest(self._key, b"\0".join([user.encode(), known.encode(), password]), "sha256")
        if hashed is not None and digest in self._right:  # does not wait behind those who guess
            return True
        if digest in self._wrong:
            return False

        def check() -> bool:
            right = matches(known, password) and hashed is not None
            if not right and _cost(known) < _cost(dearest):  # or a quick no would tell that there is such a user
                matches(dearest, password)
            return right

        right = await hashing().check(address, check)
        (self._right if right else self._wrong).add(digest)
        return right

    def load(self) -> list[tuple[str, str]]:
        """Reads the file, before anybody shows a password. Slow: not for the event loop.

        Returns what cannot be used, each with the path below ``basic`` of the setting that has it.
        """
        problems = [(f"users[{number}]", problem) for number, problem in self._own.unusable.items()]
        if self._fresh is None:
            return problems
        try:
            self._told = table = self._fresh.get()
        except SourceError as error:
            return [*problems, ("file", str(error))]
        wrong = [
            f"line {number} of {self._path!r}: {problem}"
            for number, problem in sorted({**table.wrong, **table.unusable}.items())
        ]
        problems += [("file", problem) for problem in wrong[:_MAX_NAMED]]
        if len(wrong) > _MAX_NAMED:
            problems.append(("file", f"{len(wrong) - _MAX_NAMED} more lines of {self._path!r} are wrong"))
        return problems

    def _read(self) -> _Table:
        """On the thread. What is wrong is named by its number, once for each change, and harms nobody else."""
        assert self._fresh is not None
        table = self._fresh.get()
        if table is not self._told:
            self._told = table
            for number, problem in table.wrong.items():
                emit(logging.WARNING, "password file has a wrong line", file=self._path, line=number, problem=problem)
        return table


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
    """Whether a password has this hash: ``{PLAIN}``, ``{SHA}``, ``{SSHA}`` or bcrypt. One of another kind has none."""
    if hashed.startswith("{PLAIN}"):
        known = hashed.removeprefix("{PLAIN}").encode()
        # by digests: the time to compare what differs in length tells the length
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
            import bcrypt  # the extra basic: only who has such a hash needs it
        except ImportError:  # at the start no user had such a hash
            raise SourceError(_NO_BCRYPT) from None
        try:
            return bcrypt.checkpw(password[:_MAX_PASSWORD], hashed.encode())
        except ValueError:  # a hash that is not whole, or a password with a zero byte
            return False
    return False


def _cost(hashed: str) -> str:
    """The time that a check takes, to be compared: bcrypt's logarithm of it, two digits."""
    return hashed[4:6] if hashed.startswith(BCRYPT) else ""
