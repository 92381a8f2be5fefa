"""Users and their passwords, by the hashes that htpasswd(1) writes, from the configuration and from a file.

A bcrypt hash is meant to cost time, some 50 ms of CPU, so it is checked in a thread, a few at once, and a password that
was right is remembered by a keyed digest: a page has dozens of files. A user who does not exist costs as much as one
who does, so that nobody can tell them apart.
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

from wsgate.gate.account import emit
from wsgate.gate.tokens.fresh import Fresh
from wsgate.gate.tokens.source import SourceError
from wsgate.settings.model import Basic

MAX_FILE = 4 << 20  # bytes
_MAX_PASSWORD = 72  # bytes of it that count with bcrypt, as htpasswd has it
_REMEMBERED = 1024  # passwords that were right
_AT_ONCE = 2  # hashes under way: what is left of the CPU is for the sessions
_BCRYPT = ("$2a$", "$2b$", "$2y$")
_KINDS = ("{PLAIN}", "{SHA}", "{SSHA}", *_BCRYPT)
_NOBODY = "{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(slots=True)
class _Table:
    """Hashes by user.

    dearest: of the hashes, one that takes longest to check
    """

    users: dict[str, str]
    dearest: str = field(init=False)

    def __post_init__(self) -> None:
        self.dearest = max(self.users.values(), key=_cost, default=_NOBODY)


class Users:
    """Those of one ``auth.basic``."""

    def __init__(self, basic: Basic) -> None:
        self._own = _Table(dict(_entries(basic.users)))
        self._file = None if basic.file is None else Fresh(basic.file, self._parse, MAX_FILE)
        self._path = basic.file
        self._readers = trio.CapacityLimiter(1)  # held by a thread until it ends, also by one that nobody waits for
        self._checkers = trio.CapacityLimiter(_AT_ONCE)
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()

    async def knows(self, user: str, password: bytes) -> bool:
        """Whether this is the user's password. The caller bounds the time. Raises ``SourceError`` where the file cannot
        be read."""
        hashed, dearest = self._own.users.get(user), self._own.dearest
        if self._file is not None:
            read = await trio.to_thread.run_sync(self._file.get, abandon_on_cancel=True, limiter=self._readers)
            hashed = hashed or read.users.get(user)
            dearest = max(dearest, read.dearest, key=_cost)
        if hashed is None:
            await self._matches(dearest, password)
            return False
        digest = hmac.digest(self._key, b"\0".join([user.encode(), hashed.encode(), password]), "sha256")
        if digest in self._right:  # does not wait behind those who guess
            return True
        if not await self._matches(hashed, password):
            if _cost(hashed) < _cost(dearest):  # or a quick no would tell that there is such a user
                await self._matches(dearest, password)
            return False
        self._right[digest] = None
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return True

    async def _matches(self, hashed: str, password: bytes) -> bool:
        return await trio.to_thread.run_sync(matches, hashed, password, abandon_on_cancel=True, limiter=self._checkers)

    def _parse(self, data: bytes) -> _Table:
        """Lines of a file; what is wrong is named by its number, once for each change, and harms nobody else."""
        users: dict[str, str] = {}
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
            text = line.decode(errors="replace").strip()
            if not text or text.startswith("#"):
                continue
            user, _, hashed = text.partition(":")
            problem = None
            if not user or not hashed or "\N{REPLACEMENT CHARACTER}" in text:
                problem = "is not user:hash in UTF-8"
            elif not hashed.startswith(_KINDS):
                problem = "has a hash of a kind that is not supported: write it with htpasswd -B"
            if problem is None:
                users.setdefault(user, hashed)  # the first counts, as with Apache and nginx
            else:
                emit(logging.WARNING, "password file has a wrong line", file=self._path, line=number, problem=problem)
        return _Table(users)


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
    if hashed.startswith(_BCRYPT):
        try:
            import bcrypt  # the extra basic: only who has such a hash needs it
        except ImportError:  # at the start no user had such a hash
            raise SourceError("a bcrypt hash needs bcrypt, not installed here: pip install 'wsgate[basic]'") from None
        try:
            return bcrypt.checkpw(password[:_MAX_PASSWORD], hashed.encode())
        except ValueError:  # a hash that is not whole, or a password with a zero byte
            return False
    return False


def _cost(hashed: str) -> str:
    """The time that a check takes, to be compared: bcrypt's logarithm of it, two digits."""
    return hashed[4:6] if hashed.startswith(_BCRYPT) else ""


def _entries(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        user, _, hashed = line.partition(":")
        yield user, hashed
