from __future__ import annotations

from pathlib import Path

import pytest

from tests.log import Log
from wsgate.settings.model import ApiKeyAuth
from wsgate.site.api_keys import ApiKeys, digest_of
from wsgate.site.tokens.source import SourceError


def line(name: str, key: str) -> str:
    return f"{name}:{digest_of(key).hex()}\n"


async def test_whose_a_key_is(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# programs\n" + line("meter", "one") + line("meter", "two") + line("pump", "three"))
    keys = ApiKeys(ApiKeyAuth(file=str(file)))
    assert list(keys.load()) == []
    assert [await keys.name_of(digest_of(key)) for key in ("one", "two", "three")] == ["meter", "meter", "pump"]
    for other in ("", "One", "four", digest_of("one").hex()):
        assert await keys.name_of(digest_of(other)) is None


async def test_a_key_that_is_added_or_removed(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(line("meter", "one"))
    keys = ApiKeys(ApiKeyAuth(file=str(file)))
    assert await keys.name_of(digest_of("one")) == "meter"
    file.write_text(line("meter", "other"))
    assert await keys.name_of(digest_of("one")) is None
    assert await keys.name_of(digest_of("other")) == "meter"
    file.unlink()
    with pytest.raises(SourceError):
        await keys.name_of(digest_of("other"))


async def test_wrong_lines(tmp_path: Path, log: Log) -> None:
    file = tmp_path / "keys"
    file.write_text("secret-one\n" + line("meter", "one") + line("pump", "one") + "pump:secret-two\n")
    keys = ApiKeys(ApiKeyAuth(file=str(file)))
    faults = list(keys.load())
    assert [path for path, _ in faults] == ["file"] * 3
    assert [message.partition(": ")[0] for _, message in faults] == [f"line {n} of {str(file)!r}" for n in (1, 3, 4)]
    assert faults[1][1].endswith("line 2 has this key already: remove one of them")
    assert "secret" not in str(faults)
    file.write_text("pump:secret-three\n" + line("meter", "one"))
    assert await keys.name_of(digest_of("one")) == "meter"
    told = log.one("key file has a wrong line")
    assert (told["file"], told["line"]) == (str(file), 1)
    assert "secret" not in str(log.records)
