"""Keys in a file that changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.log import Log
from tests.site.jwt.signing import SECRET, jwk, key_set, public_pem, write
from wsgate.site.jwt.key_file import key_file
from wsgate.site.tokens.source import SourceError


async def test_a_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    keys = key_file(write(file, public_pem("P256")), None, ["ES256"])
    (first,) = await keys.get()
    write(file, public_pem("P256", 1))
    (second,) = await keys.get()
    assert first.value != second.value
    write(file, b"")
    with pytest.raises(SourceError, match="is empty"):
        await keys.get()


async def test_a_key_set(tmp_path: Path) -> None:
    keys = key_file(None, write(tmp_path / "jwks", key_set(jwk("P256", kid="a"), jwk("RSA"))), ["ES256"])
    assert [key.kid for key in await keys.get()] == ["a"]


def test_a_weak_key(tmp_path: Path, log: Log) -> None:
    key_file(write(tmp_path / "key", b"short"), None, ["HS256"]).load()
    (line,) = log.all("token key is weak")
    assert line["file"] == str(tmp_path / "key")


def test_no_usable_key(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"fits none of algorithms \(RS256\)"):
        key_file(write(tmp_path / "key", SECRET), None, ["RS256"]).load()
    with pytest.raises(SourceError, match="does not exist"):
        key_file(None, str(tmp_path / "none"), ["RS256"]).load()
