"""Users and their passwords."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trio
import trio.testing

from wsgate.settings.model import Basic
from wsgate.site import passwords
from wsgate.site.passwords import Users, matches
from wsgate.site.tokens.source import SourceError

# What htpasswd -nbs, slappasswd and htpasswd -nbB -C 4 print for "sesame"
SHA = "{SHA}jTrjASYAZQhRkxzVcl+5M90WHU8="
WORD = b"sesame"


def bcrypted(prefix: bytes = b"2b") -> str:
    return bcrypt.hashpw(WORD, bcrypt.gensalt(4)).replace(b"$2b$", b"$" + prefix + b"$", 1).decode()


def salted(word: bytes = WORD, salt: bytes = b"pepper") -> str:
    import base64
    import hashlib

    return "{SSHA}" + base64.b64encode(hashlib.sha1(word + salt).digest() + salt).decode()


@pytest.mark.parametrize(
    "hashed", ["{PLAIN}sesame", salted(), salted(salt=b""), bcrypted(), bcrypted(b"2y"), bcrypted(b"2a")]
)
def test_a_password_matches_its_hash_and_no_other(hashed: str) -> None:
    assert matches(hashed, WORD)
    for other in (b"", b"Sesame", b"sesame ", b"sesam", b"\0", b"\xff"):
        assert not matches(hashed, other)


def test_sha_without_salt() -> None:
    import base64
    import hashlib

    assert matches("{SHA}" + base64.b64encode(hashlib.sha1(WORD).digest()).decode(), WORD)
    assert not matches(SHA, b"open")


@pytest.mark.parametrize(
    "hashed", ["", "sesame", "{SHA}", "{SHA}!", "{SSHA}AAAA", "{MD5}x", "$2b$04$short", "$1$a$b", "$apr1$a$b"]
)
def test_a_hash_that_is_none_matches_nothing(hashed: str) -> None:
    for word in (WORD, b"", hashed.encode()):
        assert not matches(hashed, word)


def test_only_so_much_of_a_long_password_counts_with_bcrypt() -> None:
    """As with htpasswd: 72 bytes."""
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert matches(hashed, b"x" * 72 + b"y")
    assert not matches(hashed, b"x" * 71 + b"y")


async def test_users_of_the_configuration() -> None:
    users = Users(Basic(users=("ann:{PLAIN}a:b", f"bob:{salted()}")))
    assert await users.knows("ann", b"a:b")
    assert await users.knows("bob", WORD)
    for user, password in (("ann", WORD), ("bob", b"a:b"), ("eve", WORD), ("", b""), ("Ann", b"a:b")):
        assert not await users.knows(user, password)


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# staff\n\nann:{PLAIN}one\n")
    users = Users(Basic(users=("root:{PLAIN}r",), file=str(file)))
    assert await users.knows("ann", b"one")
    assert await users.knows("root", b"r")
    file.write_text("ann:{PLAIN}two\nroot:{PLAIN}stolen\n")
    assert not await users.knows("ann", b"one")  # though it was right before
    assert await users.knows("ann", b"two")
    assert not await users.knows("root", b"stolen")  # the configuration takes precedence over the file


async def test_a_wrong_line_is_named_by_its_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "users"
    file.write_bytes(b"ann:{PLAIN}one\nsecret\n:x\nbob:\nc\xff:{PLAIN}x\ndan:{PLAIN}four\n")
    users = Users(Basic(file=str(file)))
    with caplog.at_level(logging.WARNING, "wsgate"):
        assert await users.knows("ann", b"one")
        assert await users.knows("dan", b"four")
    fields: list[dict[str, Any]] = [record.fields for record in caplog.records]  # type: ignore[attr-defined]
    assert [field["line"] for field in fields] == [2, 3, 4, 5]
    assert all("secret" not in str(field) for field in fields)


async def test_a_file_that_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ann:{PLAIN}one\n")
    users = Users(Basic(file=str(file)))
    assert await users.knows("ann", b"one")
    file.unlink()
    with pytest.raises(SourceError, match="users' does not exist"):
        await users.knows("ann", b"one")


async def test_a_password_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []

    def check(hashed: str, password: bytes) -> bool:
        checked.append(password)
        return matches(hashed, password)

    monkeypatch.setattr(passwords, "matches", check)
    monkeypatch.setattr(passwords, "_REMEMBERED", 2)
    users = Users(Basic(users=("ann:{PLAIN}a", "bob:{PLAIN}b", "cid:{PLAIN}c")))
    for _ in range(3):
        assert await users.knows("ann", b"a")
        assert not await users.knows("ann", b"wrong")
    assert checked == [b"a", b"wrong"]
    assert await users.knows("bob", b"b")
    assert await users.knows("cid", b"c")
    assert await users.knows("ann", b"a")  # forgotten: there is room for two
    assert checked[2:] == [b"b", b"c", b"a"]


async def test_who_does_not_exist_costs_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def check(hashed: str, password: bytes) -> bool:
        checked.append(hashed)
        return False

    monkeypatch.setattr(passwords, "matches", check)
    hashed = bcrypted()
    users = Users(Basic(users=(f"ann:{hashed}",)))
    assert not await users.knows("ann", WORD)
    assert not await users.knows("eve", WORD)
    assert checked == [hashed, hashed]


@pytest.mark.parametrize("in_file", [False, True])
async def test_who_has_a_quick_hash_costs_as_much_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_file: bool
) -> None:
    """Or a quick no would tell that there is such a user."""
    checked: list[str] = []

    def check(hashed: str, password: bytes) -> bool:
        checked.append(hashed)
        return False

    monkeypatch.setattr(passwords, "matches", check)
    quick, slow, slowest = "{PLAIN}x", "$2b$04$" + "a" * 53, "$2b$10$" + "a" * 53
    lines = (f"ann:{quick}", f"bob:{slow}", f"cid:{slowest}")
    (tmp_path / "users").write_text("\n".join(lines[1:]))
    users = Users(Basic(users=lines[:1], file=str(tmp_path / "users")) if in_file else Basic(users=lines))
    expected = {"ann": [quick, slowest], "bob": [slow, slowest], "cid": [slowest], "eve": [slowest]}
    for user, hashes in expected.items():
        checked.clear()
        assert not await users.knows(user, WORD)
        assert checked == hashes


async def test_a_hash_of_another_kind_is_a_wrong_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its user could never pass, and the operator would not know why."""
    file = tmp_path / "users"
    file.write_text("ann:$apr1$salt$hash\nbob:{PLAIN}two\nbob:{PLAIN}three\n")
    users = Users(Basic(file=str(file)))
    with caplog.at_level(logging.WARNING, "wsgate"):
        assert await users.knows("bob", b"two")
        assert not await users.knows("bob", b"three")  # the first counts, as with Apache and nginx
    fields: list[dict[str, Any]] = [record.fields for record in caplog.records]  # type: ignore[attr-defined]
    assert [field["line"] for field in fields] == [1]
    assert "htpasswd -nB" in fields[0]["problem"]
    assert "salt" not in str(fields)


async def test_a_bcrypt_hash_that_comes_where_bcrypt_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users").write_text(f"ann:{bcrypted()}\n")
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(SourceError, match=r"pip install 'wsgate\[basic\]'"):
        await Users(Basic(file=str(tmp_path / "users"))).knows("ann", WORD)


async def test_who_was_right_does_not_wait_for_those_who_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users(Basic(users=("ann:{PLAIN}a",)))
    assert await users.knows("ann", b"a")
    under_way = threading.Event()

    def hang(*_: object) -> bool:
        under_way.wait()
        return False

    monkeypatch.setattr(passwords, "matches", hang)
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(users.knows, "ann", b"guess")
        try:
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(5):
                assert await users.knows("ann", b"a")
        finally:
            under_way.set()
