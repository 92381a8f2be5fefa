from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from wsgate.gate.files import OpenFile, open_file
from wsgate.settings.model import Files, Match, PathPattern, Route
from wsgate.wire.http import Refusal, Request

from .conftest import at, below, no_descriptors

CONTENT = {
    "index.html": b"<title>home</title>",
    "style.css": b"p {}",
    "app.js": b"let x",
    "data.json": b"{}",
    "icon.svg": b"<svg/>",
    "picture.png": b"\x89PNG",
    "archive.tar.gz": b"\x1f\x8b",
    "noname": b"?",
    "with space.txt": b"space",
    "per%cent.txt": b"percent",
    "übung.txt": "Übung".encode(),
    "..hidden/..file": b"dots",
    "empty.txt": b"",
    "back\\slash.txt": b"for Windows it would be a directory",
    "sub/index.html": b"<title>sub</title>",
    "sub/page.html": b"page",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name, content in CONTENT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "root-beside").mkdir()
    (tmp_path / "root-beside" / "file.txt").write_bytes(b"beside")
    return root


async def get(
    root: Path, target: bytes, *, method: bytes = b"GET", pattern: PathPattern | None = None
) -> OpenFile | Refusal:
    files = Files(root=str(root))
    route = Route(name="files", match=Match(path=pattern), action=files)
    return await open_file(route, files, Request(method, target, b"", b"1.1", [], []))


async def read(root: Path, target: bytes, pattern: PathPattern | None = None) -> bytes:
    opened = await get(root, target, pattern=pattern)
    assert isinstance(opened, OpenFile), target
    with opened.file:
        content = opened.file.read()
    assert opened.size == len(content)
    assert (b"Content-Length", b"%d" % len(content)) in opened.headers
    return content


FOUND = {
    b"/": "index.html",
    b"//": "index.html",
    b"/index.html": "index.html",
    b"/style.css?v=1#": "style.css",
    b"/sub": "sub/index.html",
    b"/sub/": "sub/index.html",
    b"/sub/page.html": "sub/page.html",
    b"//sub//page.html": "sub/page.html",
    b"/sub%2Fpage.html": "sub/page.html",
    b"/%73ub/page.html": "sub/page.html",
    b"/with%20space.txt": "with space.txt",
    b"/per%25cent.txt": "per%cent.txt",
    b"/%C3%BCbung.txt": "übung.txt",
    b"/..hidden/..file": "..hidden/..file",
    b"/empty.txt": "empty.txt",
}


@pytest.mark.parametrize(("target", "name"), FOUND.items())
async def test_what_is_found(root: Path, target: bytes, name: str) -> None:
    assert await read(root, target) == CONTENT[name]


@pytest.mark.parametrize("target", [b"/", b"/sub/page.html"])
async def test_the_root_may_be_a_link(root: Path, target: bytes) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert await read(link, target) == await read(root, target)
    assert await read(link / "sub" / "..", target) == await read(root, target)


TRAVERSALS = [
    b"/../secret.txt",
    b"/sub/../../secret.txt",
    b"/sub/../page.html",
    b"/./index.html",
    b"/sub/.",
    b"/..",
    b"/%2e%2e/secret.txt",
    b"/.%2e/secret.txt",
    b"/%2E%2E%2Fsecret.txt",
    b"/..%2fsecret.txt",
    b"/sub/..%2f..%2fsecret.txt",
    b"/%252e%252e/secret.txt",  # decoded once, as it was encoded
    b"/..%5csecret.txt",
    b"/..\\secret.txt",
    b"/sub\\page.html",
    b"/back\\slash.txt",
    b"/back%5Cslash.txt",
    b"/..;/secret.txt",
    b"/../root-beside/file.txt",
    b"/%c0%ae%c0%ae/secret.txt",  # overlong dots
    b"/%e0%80%ae%e0%80%ae/secret.txt",
    b"/index.html%00.png",
    b"/%00",
    b"/%ff",
    b"/\xfc",
]


@pytest.mark.parametrize("target", TRAVERSALS)
@pytest.mark.parametrize("prefix", [None, b"/docs"])
async def test_no_way_leads_out(root: Path, target: bytes, prefix: bytes | None) -> None:
    pattern = None if prefix is None else below("/docs/").path
    assert await get(root, (prefix or b"") + target, pattern=pattern) == Refusal(404, "no such file")


@pytest.mark.parametrize(
    "target", [b"/etc/passwd", b"//etc/passwd", b"/%2fetc/passwd", b"/%2f%2fetc%2fpasswd", b"/%2e%2fetc"]
)
async def test_an_absolute_path_is_none(root: Path, target: bytes) -> None:
    assert isinstance(await get(root, target), Refusal)


@pytest.mark.parametrize(
    "target",
    [b"/missing", b"/sub/missing", b"/index.html/x", b"/" + b"a" * 5000, b"/" + b"a/" * 3000, b"/%25", b"/%", b"/%zz"],
)
async def test_what_does_not_exist(root: Path, target: bytes) -> None:
    assert await get(root, target) == Refusal(404, "no such file")


async def test_links_inside_the_root_are_followed(root: Path) -> None:
    (root / "link.txt").symlink_to("sub/page.html")
    (root / "here").symlink_to(root / "sub")
    assert await read(root, b"/link.txt") == b"page"
    assert await read(root, b"/here/page.html") == b"page"
    assert await read(root, b"/here") == CONTENT["sub/index.html"]


async def test_links_out_of_the_root_are_not(root: Path) -> None:
    (root / "file.txt").symlink_to("../secret.txt")
    (root / "up").symlink_to("..")
    (root / "beside").symlink_to(root.parent / "root-beside")
    (root / "out").mkdir()
    (root / "out" / "index.html").symlink_to("/etc/passwd")
    (root / "loop").symlink_to("loop")
    for target in (b"/file.txt", b"/up/secret.txt", b"/up", b"/beside/file.txt", b"/out/", b"/loop", b"/loop/x"):
        assert await get(root, target) == Refusal(404, "no such file"), target


async def test_only_regular_files_are_sent(root: Path) -> None:
    """And none of the others is waited for, or left open."""
    os.mkfifo(root / "fifo")
    (root / "bare").mkdir()
    (root / "strange" / "index.html").mkdir(parents=True)
    (root / "device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        before = set(os.listdir("/proc/self/fd"))
        for target in (b"/fifo", b"/bare", b"/bare/", b"/strange", b"/socket", b"/device"):
            assert await get(root, target) == Refusal(404, "no such file"), target
        assert set(os.listdir("/proc/self/fd")) <= before


async def test_a_file_that_may_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For root every file may: the refusal is played."""

    def refuse(*arguments: object, **more: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert await get(root, b"/index.html") == Refusal(404, "no such file")


async def test_out_of_descriptors(root: Path) -> None:
    """The file may well be there: the client is told to come again, not that it is gone."""
    with no_descriptors():
        refusal = await get(root, b"/index.html")
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.headers) == (503, ((b"Retry-After", b"5"),))


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"get"])
async def test_other_methods(root: Path, method: bytes) -> None:
    refusal = await get(root, b"/", method=method)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.headers) == (405, ((b"Allow", b"GET, HEAD"),))


async def test_below_a_prefix(root: Path) -> None:
    pattern = below("/docs/").path
    assert await read(root, b"/docs/", pattern) == CONTENT["index.html"]
    assert await read(root, b"/docs/sub/page.html", pattern) == b"page"
    assert await read(root, b"/docs//sub/page.html", pattern) == b"page"
    (root / "docs").mkdir()
    (root / "docs" / "x.txt").write_bytes(b"x")
    assert await read(root, b"/docs/docs/x.txt", pattern) == b"x"


async def test_at_an_exact_path(root: Path) -> None:
    assert await read(root, b"/style.css", at("/style.css").path) == CONTENT["style.css"]


TYPES = {
    "/": {b"text/html; charset=utf-8"},
    "/style.css": {b"text/css; charset=utf-8"},
    "/app.js": {b"text/javascript; charset=utf-8", b"application/javascript; charset=utf-8"},  # Python 3.12 changed it
    "/data.json": {b"application/json; charset=utf-8"},
    "/icon.svg": {b"image/svg+xml"},
    "/picture.png": {b"image/png"},
    "/archive.tar.gz": {b"application/octet-stream"},
    "/noname": {b"application/octet-stream"},
}


@pytest.mark.parametrize(("target", "types"), TYPES.items())
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_the_head_of_a_file(root: Path, target: str, types: set[bytes], method: bytes) -> None:
    name = target.removeprefix("/") or "index.html"
    os.utime(root / name, (0, 784111777))
    opened = await get(root, target.encode(), method=method)
    assert isinstance(opened, OpenFile)
    opened.file.close()
    headers = dict(opened.headers)
    assert headers.pop(b"Content-Type") in types
    assert headers == {
        b"Content-Length": b"%d" % len(CONTENT[name]),
        b"Last-Modified": b"Sun, 06 Nov 1994 08:49:37 GMT",  # the example of RFC 9110 §5.6.7
        b"Cache-Control": b"no-cache",
        b"X-Content-Type-Options": b"nosniff",
    }
