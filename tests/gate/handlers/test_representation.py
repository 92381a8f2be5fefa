from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from tests.descriptors import descriptors
from tests.gate.conftest import at, below
from tests.limits import no_descriptors
from wsgate.gate.handlers import representation as gate_files
from wsgate.gate.handlers.representation import THREADS, Answer, open_file
from wsgate.gate.request_values import rest_of_path
from wsgate.settings.model import Files, Match, PathPattern, Route, Settings, Timeouts
from wsgate.site.build import build
from wsgate.site.route import LiveRoute
from wsgate.text.paths import has_bad_escape
from wsgate.wire.http import Refusal, Request

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
    ".htpasswd": b"root:x",
    ".git/config": b"[core]",
    "sub/.env": b"SECRET",
    ".well-known/acme": b"challenge",
    ".well-known/.hidden": b"hidden",
    "sub/.well-known/x": b"elsewhere it is hidden",
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
    root: Path,
    target: bytes,
    headers: Mapping[bytes, bytes] = {},
    *,
    method: bytes = b"GET",
    pattern: PathPattern | None = None,
    fields: tuple[tuple[str, str], ...] = (),
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
    **how: Any,
) -> Answer | Refusal:
    files = Files(root=str(root), headers=fields, **how)
    route = Route(name="files", match=Match(path=pattern), action=files, timeouts=timeouts)
    sent = [(name.lower(), value) for name, value in headers.items()]
    return await open_file(route, files, Request(method, target, b"", b"1.1", sent, sent))


async def get_file(
    root: Path, target: bytes, headers: Mapping[bytes, bytes] = {}, **how: Any
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, header fields and body."""
    answer = await get(root, target, headers, **how)
    assert isinstance(answer, Answer), answer
    if answer.file is None:
        return answer.status, dict(answer.headers), answer.body
    with answer.file:
        return answer.status, dict(answer.headers), answer.file.read(answer.size)


async def read(root: Path, target: bytes, pattern: PathPattern | None = None) -> bytes:
    opened = await get(root, target, pattern=pattern)
    assert isinstance(opened, Answer), target
    assert opened.file is not None, target
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
    b"/sub/": "sub/index.html",
    b"/sub/page.html": "sub/page.html",
    b"//sub//page.html": "sub/page.html",
    b"/sub/../index.html": "index.html",
    b"/./index.html": "index.html",
    b"/sub/%2E": "sub/index.html",
    b"/sub/..": "index.html",
    b"/..": "index.html",
    b"/%73ub/page.html": "sub/page.html",
    b"/with%20space.txt": "with space.txt",
    b"/per%25cent.txt": "per%cent.txt",
    b"/%C3%BCbung.txt": "übung.txt",
    b"/.well-known/acme": ".well-known/acme",
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
    b"/sub%2Fpage.html",
    b"/%2e%2e/secret.txt",
    b"/.%2e/secret.txt",
    b"/%2E%2E%2Fsecret.txt",
    b"/..%2fsecret.txt",
    b"/sub/..%2f..%2fsecret.txt",
    b"/%252e%252e/secret.txt",  # decoded once, as it was encoded
    b"/..;/secret.txt",
    b"/../root-beside/file.txt",
    b"/%c0%ae%c0%ae/secret.txt",  # overlong dots
    b"/%e0%80%ae%e0%80%ae/secret.txt",
    b"/%ff",
    b"/\xfc",
]


@pytest.mark.parametrize("target", TRAVERSALS)
@pytest.mark.parametrize("prefix", [None, b"/docs"])
async def test_no_way_leads_out(root: Path, target: bytes, prefix: bytes | None) -> None:
    pattern = None if prefix is None else below("/docs/").path
    assert await get(root, (prefix or b"") + target, pattern=pattern) == Refusal(404, "no such file")


@pytest.mark.parametrize(
    "target",
    b"/..%5csecret.txt /..\\secret.txt /sub\\page.html /back\\slash.txt /back%5Cslash.txt /index.html%00.png /%00 "
    b"/% /%zz /index.html%2 /%%34%31".split(),
)
@pytest.mark.parametrize("prefix", [None, b"/docs"])
async def test_what_no_file_is_called(root: Path, target: bytes, prefix: bytes | None) -> None:
    pattern = None if prefix is None else below("/docs/").path
    answer = await get(root, (prefix or b"") + target, pattern=pattern)
    assert isinstance(answer, Refusal)
    assert answer.status == 400


@pytest.mark.parametrize(
    "target",
    b"/.htpasswd /.git/config /.git/ /sub/.env /sub/%2eenv /..hidden/..file /.well-known/.hidden /sub/.well-known/x "
    b"/.WELL-KNOWN/acme".split(),
)
async def test_what_is_hidden(root: Path, target: bytes) -> None:
    assert await get(root, target) == Refusal(404, "no such file")


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/sub", b"./sub/"),
        (b"/sub?a=1&b", b"./sub/?a=1&b"),
        (b"/%73ub", b"./sub/"),
        (b"/x/../sub", b"./sub/"),
        (b"//sub", b"./sub/"),
        (b"//evil.example/..%2f..%2fsub", None),
        (b"/a:b", b"./a:b/"),
    ],
)
async def test_a_directory_without_its_slash(root: Path, target: bytes, location: bytes | None) -> None:
    (root / "a:b").mkdir()
    answer = await get(root, target)
    if location is None:
        assert answer == Refusal(404, "no such file")
    else:
        assert answer == Answer(301, [(b"Location", location), (b"Content-Length", b"0")])


async def test_a_file_with_a_slash_behind_it(root: Path) -> None:
    assert await get(root, b"/style.css/") == Refusal(404, "no such file")


async def test_other_indexes(root: Path) -> None:
    (root / "sub" / "main.htm").write_bytes(b"main")
    assert (await get_file(root, b"/sub/", index=("none.html", "main.htm", "index.html")))[2] == b"main"
    assert await get(root, b"/sub/", index=("none.html",)) == Refusal(404, "no such file")


async def test_a_listing_only_when_it_is_asked_for(root: Path) -> None:
    (root / "bare").mkdir()
    (root / "bare" / "<b>.txt").write_bytes(b"")
    assert await get(root, b"/bare/") == Refusal(404, "no such file")
    status, headers, body = await get_file(root, b"/bare/", listing=True)
    assert status == 200
    assert headers[b"Content-Type"] == b"text/html; charset=utf-8"
    assert headers[b"Content-Length"] == b"%d" % len(body)
    assert b'<a href="./%3Cb%3E.txt">&lt;b&gt;.txt</a>' in body
    assert b"<h1>/bare/</h1>" in body
    assert b"../" in body
    assert (await get_file(root, b"/", listing=True))[2] == CONTENT["index.html"]


# -- parts and conditions: what they mean is tests/wire's, here they meet files ----------------------------------------


async def test_a_part(root: Path) -> None:
    (root / "digits").write_bytes(b"0123456789")
    status, headers, body = await get_file(root, b"/digits", {b"Range": b"bytes=2-4"})
    assert (status, body) == (206, b"234")
    assert (headers[b"Content-Range"], headers[b"Content-Length"]) == (b"bytes 2-4/10", b"3")
    status, headers, body = await get_file(root, b"/digits", {b"Range": b"bytes=-10737418240"})
    assert (status, body, headers[b"Content-Range"]) == (206, b"0123456789", b"bytes 0-9/10")
    status, headers, body = await get_file(root, b"/digits", {b"Range": b"bytes=0-1,4-5"})
    assert (status, body) == (200, b"0123456789")
    assert b"Content-Range" not in headers


async def test_a_part_that_is_not_there(root: Path) -> None:
    before = descriptors()
    refusal = await get(root, b"/style.css", {b"Range": b"bytes=10737418240-"})
    assert refusal == Refusal(416, "the file has no such part", ((b"Content-Range", b"bytes */4"),))
    assert descriptors() == before


async def test_a_head_has_no_part(root: Path) -> None:
    answer = await get(root, b"/style.css", {b"Range": b"bytes=1-1"}, method=b"HEAD")
    assert isinstance(answer, Answer)
    assert answer.file is not None
    answer.file.close()
    assert (answer.status, answer.size) == (200, 4)


async def test_what_the_client_has_already(root: Path) -> None:
    _, headers, _ = await get_file(root, b"/style.css")
    tag = headers[b"ETag"]
    before = descriptors()
    status, again, body = await get_file(root, b"/style.css", {b"If-None-Match": tag})
    assert (status, body, again[b"ETag"]) == (304, b"", tag)
    assert again.keys() == {b"ETag", b"Last-Modified", b"Cache-Control", b"X-Content-Type-Options"}
    assert await get(root, b"/style.css", {b"If-Match": b'"other"'}) == Refusal(412, "the file has changed")
    assert descriptors() == before
    (root / "style.css").write_bytes(b"p{ }")
    status, headers, body = await get_file(root, b"/style.css", {b"If-None-Match": tag})
    assert (status, body) == (200, b"p{ }")
    status, _, body = await get_file(root, b"/style.css", {b"If-Range": tag, b"Range": b"bytes=1-"})
    assert (status, body) == (200, b"p{ }")
    status, _, body = await get_file(root, b"/style.css", {b"If-Range": headers[b"ETag"], b"Range": b"bytes=1-"})
    assert (status, body) == (206, b"{ }")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        (b"gzip", b"gzip"),
        (b"gzip, br", b"br"),
        (b"gzip;q=1, br;q=0.5", b"gzip"),
        (b"GZip ; Q=0.1", b"gzip"),
        (b"*", b"br"),
        (b"*;q=0.3, br;q=0", b"gzip"),
        (b"gzip;q=0", None),
        (b"gzip;q=x", None),
        (b"gzip;q=2", None),
        (b"gzip;q=-1, br;q=nan", None),
        (b"deflate, identity", None),
        (b"identity, gzip;q=0.5", None),
        (b"identity, gzip", b"gzip"),
        (b"identity;q=0.5, gzip", b"gzip"),
        (b"identity;q=0, gzip;q=0.1", b"gzip"),
        (b"*;q=0", None),
    ],
)
async def test_what_was_compressed_before(root: Path, accepted: bytes | None, coding: bytes | None) -> None:
    (root / "app.js.gz").write_bytes(b"gz")
    (root / "app.js.br").write_bytes(b"br")
    asked = {} if accepted is None else {b"Accept-Encoding": accepted}
    _, headers, body = await get_file(root, b"/app.js", asked)
    assert headers.get(b"Content-Encoding") == coding
    assert body == {None: b"let x", b"gzip": b"gz", b"br": b"br"}[coding]
    assert b"javascript" in headers[b"Content-Type"]
    assert headers[b"Vary"] == b"Accept-Encoding"
    assert b"Content-Encoding" not in (await get_file(root, b"/app.js", asked, precompressed=False))[1]


async def test_each_coding_has_a_tag_of_its_own(root: Path) -> None:
    os.link(root / "app.js", root / "app.js.gz")
    plain = (await get_file(root, b"/app.js"))[1][b"ETag"]
    coded = (await get_file(root, b"/app.js", {b"Accept-Encoding": b"gzip"}))[1][b"ETag"]
    assert plain != coded


async def test_what_was_compressed_outside_of_the_root(root: Path) -> None:
    (root / "app.js.gz").symlink_to("../secret.txt")
    (root / "app.js.br").mkdir()
    _, headers, body = await get_file(root, b"/app.js", {b"Accept-Encoding": b"gzip, br"})
    assert body == b"let x"
    assert b"Vary" not in headers


async def test_a_file_from_the_future(root: Path) -> None:
    """RFC 9110 §8.8.2.1: it was changed now, at the latest."""
    os.utime(root / "app.js", (0, 1 << 33))
    _, headers, _ = await get_file(root, b"/app.js")
    assert parsedate_to_datetime(headers[b"Last-Modified"].decode()).timestamp() <= time.time()


async def test_header_fields_of_the_configuration(root: Path) -> None:
    more = (("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "none"))
    _, headers, _ = await get_file(root, b"/app.js", cache_control="max-age=60", fields=more)
    assert headers[b"X-Frame-Options"] == b"DENY"
    assert headers[b"X-Content-Type-Options"] == b"none"
    assert headers[b"Cache-Control"] == b"max-age=60"


@pytest.mark.parametrize(
    "target", [b"/etc/passwd", b"//etc/passwd", b"/%2fetc/passwd", b"/%2f%2fetc%2fpasswd", b"/%2e%2fetc"]
)
async def test_an_absolute_path_is_none(root: Path, target: bytes) -> None:
    assert isinstance(await get(root, target), Refusal)


@pytest.mark.parametrize(
    "target",
    [b"/missing", b"/sub/missing", b"/index.html/x", b"/" + b"a" * 5000, b"/" + b"a/" * 3000, b"/%25"],
)
async def test_what_does_not_exist(root: Path, target: bytes) -> None:
    assert await get(root, target) == Refusal(404, "no such file")


async def test_links_inside_the_root_are_followed(root: Path) -> None:
    (root / "link.txt").symlink_to("sub/page.html")
    (root / "here").symlink_to(root / "sub")
    assert await read(root, b"/link.txt") == b"page"
    assert await read(root, b"/here/page.html") == b"page"
    assert await read(root, b"/here/") == CONTENT["sub/index.html"]


async def test_links_out_of_the_root_are_not(root: Path) -> None:
    (root / "file.txt").symlink_to("../secret.txt")
    (root / "up").symlink_to("..")
    (root / "beside").symlink_to(root.parent / "root-beside")
    (root / "out").mkdir()
    (root / "out" / "index.html").symlink_to("/etc/passwd")
    (root / "loop").symlink_to("loop")
    for target in (b"/file.txt", b"/up/secret.txt", b"/up/", b"/beside/file.txt", b"/out/", b"/loop", b"/loop/x"):
        assert await get(root, target) == Refusal(404, "no such file"), target


async def test_only_regular_files_are_sent(root: Path) -> None:
    """And the others cause no wait and are not left open."""
    os.mkfifo(root / "fifo")
    (root / "bare").mkdir()
    (root / "strange" / "index.html").mkdir(parents=True)
    (root / "device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        before = descriptors()
        for target in (b"/fifo", b"/bare/", b"/strange/", b"/socket", b"/device"):
            assert await get(root, target) == Refusal(404, "no such file"), target
        assert descriptors() == before


async def test_a_disk_that_hangs_keeps_no_thread_from_others(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload and the certificates need one, too."""
    disk = threading.Event()

    def hang(*_: object) -> Refusal:
        disk.wait()
        return Refusal(404, "no such file")

    monkeypatch.setattr(gate_files, "_answer", hang)
    others = trio.to_thread.current_default_thread_limiter()
    async with trio.open_nursery() as nursery:
        for _ in range(int(others.total_tokens) + THREADS):
            nursery.start_soon(get, root, b"/index.html")
        try:
            await trio.testing.wait_all_tasks_blocked()
            assert gate_files.limiter(Files(root=str(root))).available_tokens == 0
            assert gate_files.limiter(Files(root=str(root.parent))).available_tokens == THREADS
            assert others.borrowed_tokens == 0
        finally:
            disk.set()


async def test_a_disk_that_hangs_keeps_no_client_for_ever(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it opens in the end is closed."""
    disk, opened = threading.Event(), []

    def hang(*_: object) -> Answer:
        disk.wait()
        opened.append(FileIO(root / "index.html"))
        return Answer(200, [], opened[-1])

    monkeypatch.setattr(gate_files, "_answer", hang)
    refusal = await get(root, b"/index.html", timeouts=Timeouts(handshake=0.01))
    assert isinstance(refusal, Refusal)
    assert refusal.status == 504
    assert refusal.detail == f"the disk of {root} did not answer within 0.01 s"
    disk.set()
    with trio.fail_after(10):
        while not opened or not opened[0].closed:  # noqa: ASYNC110 - threads tell nobody
            await trio.sleep(0.001)


async def test_a_file_that_may_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For root every file may: the refusal is played."""

    def refuse(*arguments: object, **more: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert await get(root, b"/index.html") == Refusal(404, "no such file")


async def test_out_of_descriptors(root: Path) -> None:
    """The file may exist: the client is told to try again, and gets no 404."""
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
    assert isinstance(opened, Answer)
    assert opened.file is not None
    opened.file.close()
    headers = dict(opened.headers)
    assert headers.pop(b"ETag").startswith(b'"')
    assert headers.pop(b"Accept-Ranges") == b"bytes"
    assert headers.pop(b"Content-Type") in types
    assert headers == {
        b"Content-Length": b"%d" % len(CONTENT[name]),
        b"Last-Modified": b"Sun, 06 Nov 1994 08:49:37 GMT",  # the example of RFC 9110 §5.6.7
        b"Cache-Control": b"no-cache",
        b"X-Content-Type-Options": b"nosniff",
    }


PIECES = [
    b"/",
    b"/",
    b"private",
    b"%70rivate",
    b"priv%61te",
    b"..",
    b"%2e",
    b".",
    b"x",
    b"%2f",
    b"%5c",
    b"\\",
    b"%zz",
    b"%",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_the_route_that_a_path_finds_is_the_one_of_its_file(pieces: list[bytes]) -> None:
    """For every path, the file that it names is in the directory of the route that was found."""
    target = b"/" + b"".join(pieces)
    files = Files(root="/")
    private = Route(name="private", match=below("/private/"), action=files)
    site = build(Settings(listeners=(), routes=(private, Route(name="rest", action=files))))
    request = Request(b"GET", target, b"", b"1.1", [], [])
    live = site.find(b"", request.path, (), websocket=False)
    assert isinstance(live, LiveRoute)
    route = live.settings
    relative = rest_of_path(route, request.path)
    if has_bad_escape(relative) or any(each in relative for each in ("%00", "%5C", "%2F")):
        return  # 400 or 404
    names = gate_files._names(relative)
    if route is not private and names is not None and len(names) > 1:
        assert names[0] != "private"


APP = "/index.html"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        # what is there, as without a fallback
        (b"/", "index.html"),
        (b"/style.css", "style.css"),
        (b"/sub/", "sub/index.html"),
        # what is not there, whatever it looks like
        (b"/inbox", "index.html"),
        (b"/inbox/", "index.html"),
        (b"/inbox/7?x=1", "index.html"),
        (b"/missing.js", "index.html"),
        (b"/style.css/", "index.html"),
        (b"/style.css/x", "index.html"),
        (b"/items/a%2Fb", "index.html"),
        (b"/.git/config", "index.html"),
        (b"/sub/.env", "index.html"),
        (b"/%FF", "index.html"),
        (b"/out", "index.html"),
        (b"/bare/", "index.html"),
    ],
)
async def test_a_fallback_stands_in_for_what_is_not_there(root: Path, target: bytes, expected: str) -> None:
    (root / "out").symlink_to("../secret.txt")
    (root / "bare").mkdir()
    status, fields, body = await get_file(root, target, fallback=APP)
    assert (status, body, fields[b"Content-Type"]) == (200, CONTENT[expected], fields[b"Content-Type"])
    assert fields[b"ETag"]


async def test_a_fallback_is_a_file_like_others(root: Path) -> None:
    """Conditions, parts and the methods hold for it; a directory is redirected, or listed, as before."""
    _, fields, _ = await get_file(root, b"/inbox", fallback=APP)
    assert (await get_file(root, b"/7", {b"If-None-Match": fields[b"ETag"]}, fallback=APP))[0] == 304
    assert (await get_file(root, b"/7", {b"Range": b"bytes=0-6"}, fallback=APP))[::2] == (206, b"<title>")
    assert (await get_file(root, b"/sub", fallback=APP))[0] == 301
    (root / "bare").mkdir()
    assert b"<title>/bare/</title>" in (await get_file(root, b"/bare/", fallback=APP, listing=True))[2]
    for target, method, status in ((b"/x", b"POST", 405), (b"/a%zz", b"GET", 400), (b"/a%5Cb", b"GET", 400)):
        refusal = await get(root, target, method=method, fallback=APP)
        assert isinstance(refusal, Refusal)
        assert refusal.status == status


async def test_a_fallback_below_a_prefix_and_in_a_directory(root: Path) -> None:
    how: dict[str, Any] = {"pattern": below("/app/").path, "fallback": "/sub/page.html"}
    assert (await get_file(root, b"/app/x/y", **how))[2] == CONTENT["sub/page.html"]


async def test_a_fallback_that_is_gone_or_may_not_be_opened(root: Path) -> None:
    (root / "out").symlink_to("../secret.txt")
    for fallback in ("/none.html", "/sub", "/out"):
        refusal = await get(root, b"/x", fallback=fallback)
        assert isinstance(refusal, Refusal)
        assert (refusal.status, refusal.detail) == (404, f"nor is the fallback: {root}{fallback}")
    with no_descriptors():
        refusal = await get(root, b"/x", fallback=APP)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 503
