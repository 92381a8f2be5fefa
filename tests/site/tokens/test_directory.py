"""File names that are tokens: and no way out of the directory."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.log import Log
from wsgate.settings.model import Target, TcpAddress, UnixAddress
from wsgate.site.tokens.directory import MAX_SIZE, DirectorySource
from wsgate.site.tokens.source import SourceError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "d"
    (root / "sub").mkdir(parents=True)
    (root / "desk").write_text(" 10.0.0.1:5900 \n")
    (root / "json").write_text('{"host": "h", "port": 1}')
    (root / ".hidden").write_text("h:1")
    (root / "sub" / "file").write_text("h:1")
    (tmp_path / "outside").write_text("h:666")
    return root


@pytest.fixture
def sockets(root: Path, tmp_path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as a, socket.socket(socket.AF_UNIX) as b, socket.socket(socket.AF_UNIX) as c:
        a.bind(str(root / "vm1"))
        b.bind(str(root / "sub" / "vm2.sock"))
        c.bind(str(tmp_path / "x.sock"))
        yield


async def test_a_file_has_its_target(root: Path) -> None:
    source = DirectorySource(str(root), False)
    assert await source.look_up("desk") == (Target(TcpAddress("10.0.0.1", 5900)),)
    assert await source.look_up("json") == (Target(TcpAddress("h", 1)),)
    (root / "desk").write_text("tls://h:2")
    assert await source.look_up("desk") == (Target(TcpAddress("h", 2), tls=True),)
    (root / "desk").unlink()
    assert await source.look_up("desk") is None
    assert await source.missing(["json", "desk"]) == {"desk"}


async def test_a_socket_is_the_target(root: Path, sockets: None) -> None:
    source = DirectorySource(str(root), True)
    assert await source.look_up("vm1") == (Target(UnixAddress(str(root / "vm1"))),)
    assert await source.look_up("sub/vm2.sock") == (Target(UnixAddress(str(root / "sub" / "vm2.sock"))),)


@pytest.mark.parametrize(
    "token",
    [
        "nothing",
        "sub",
        "sub/file",  # below, only sockets
        ".hidden",
        ".",
        "..",
        "",
        "/",
        "../outside",
        "../x.sock",
        "sub/../../x.sock",
        "sub/../vm1",
        "./vm1",
        "sub//vm2.sock",
        "/etc/passwd",
        "desk/x",
        "a\0b",
        "x" * 300,
        "/".join(["x" * 200] * 30),
        "circle",
    ],
)
async def test_no_other_way_in_or_out(root: Path, sockets: None, token: str) -> None:
    (root / "circle").symlink_to("circle")
    assert await DirectorySource(str(root), False).look_up(token) is None


async def test_links_that_lead_out(root: Path, sockets: None, log: Log) -> None:
    (root / "secret1").symlink_to("../outside")
    (root / "secret2").symlink_to("../x.sock")
    (root / "secret3").symlink_to("..")
    source = DirectorySource(str(root), False)
    for token in ("secret1", "secret2", "secret3/x.sock", "secret3/d/vm1x"):
        assert await source.look_up(token) is None
    warning = log.one("token directory has a link outwards")  # once
    assert warning["directory"] == str(root)
    assert "secret" not in str(warning)


async def test_links_within_and_a_directory_that_is_a_link(root: Path, tmp_path: Path, sockets: None) -> None:
    (root / "..2026").mkdir()
    (root / "..2026" / "new").write_text("h:3")
    (root / "..data").symlink_to("..2026")
    (root / "new").symlink_to("..data/new")
    (tmp_path / "link").symlink_to("d")
    source = DirectorySource(str(tmp_path / "link"), False)
    assert await source.look_up("new") == (Target(TcpAddress("h", 3)),)
    assert await source.look_up("vm1") == (Target(UnixAddress(str(root / "vm1"))),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [(b"nonsense", "no port"), (b"\xff:1", "not UTF-8"), (b"h" * (MAX_SIZE + 1), f"more than {MAX_SIZE} bytes")],
)
async def test_a_file_without_a_target(root: Path, text: bytes, problem: str) -> None:
    (root / "secret").write_bytes(text)
    with pytest.raises(SourceError, match=problem) as caught:
        await DirectorySource(str(root), False).look_up("secret")
    assert "secret" not in str(caught.value)


async def test_a_directory_that_vanishes(root: Path, tmp_path: Path) -> None:
    source = DirectorySource(str(root), False)
    shutil.move(root, tmp_path / "away")
    with pytest.raises(SourceError, match="No such file or directory"):
        await source.look_up("desk")


def test_what_is_no_directory_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        DirectorySource(str(tmp_path / "nothing"), False)
