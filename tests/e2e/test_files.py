"""A files route as curl sees it."""

from __future__ import annotations

import gzip
import re
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from .gateway import StartGateway
from .tls import run

PAGE = b"<p>desk</p>\n" * 1000


@pytest.mark.needs("curl")
async def test_parts_conditions_and_what_was_compressed_before(start_gateway: StartGateway, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "vnc.html").write_bytes(PAGE)
    (site / "vnc.html.gz").write_bytes(gzip.compress(PAGE))
    (site / "vnc_auto.html").symlink_to("vnc.html")
    (tmp_path / "secret").write_text("secret")
    (site / "out").symlink_to("../secret")
    how = {"root": str(site), "index": ["vnc.html"], "headers": {"X-Frame-Options": "DENY"}}
    gateway = await start_gateway({"name": "site", "files": how})
    url = f"http://127.0.0.1:{gateway.port}/"

    async def curl(*arguments: str) -> tuple[int, str, str]:
        """Status, head and body."""
        said = await run("curl", "-sS", "-i", "--path-as-is", "--max-time", "5", "--noproxy", "*", *arguments)
        head, _, body = said.replace("\r\n", "\n").partition("\n\n")
        return int(head.split()[1]), head, body

    def field(head: str, name: str) -> str | None:
        found = re.search(rf"^{name}: (.*)$", head, re.MULTILINE | re.IGNORECASE)
        return found and found[1]

    def undated(head: str) -> list[str]:
        return [line for line in head.splitlines() if not line.startswith("Date: ")]

    status, whole, body = await curl(url)
    assert (status, body) == (200, PAGE.decode())
    assert field(whole, "X-Frame-Options") == "DENY"
    assert (await curl(url + "vnc_auto.html"))[2] == body
    assert parsedate_to_datetime(field(whole, "Date") or "").tzinfo is not None
    status, head, _ = await curl("--head", url)
    assert (status, undated(head)) == (200, undated(whole))

    tag = field(whole, "ETag")
    status, head, body = await curl("-H", f"If-None-Match: {tag}", url)
    assert (status, field(head, "ETag"), body) == (304, tag, "")
    assert (await curl("--time-cond", str(site / "vnc.html"), url))[0] == 304

    status, head, body = await curl("--range", "3-6", url)
    assert (status, field(head, "Content-Range"), body) == (206, f"bytes 3-6/{len(PAGE)}", "desk")
    status, head, body = await curl("--range", "11990-10737418239", url)
    assert (status, field(head, "Content-Range"), body) == (206, "bytes 11990-11999/12000", PAGE[11990:].decode())
    status, head, _ = await curl("--range", "10737418240-", url)
    assert (status, field(head, "Content-Range")) == (416, f"bytes */{len(PAGE)}")

    status, head, body = await curl("--compressed", url)
    assert (status, body) == (200, PAGE.decode())
    assert (field(head, "Content-Encoding"), field(head, "Vary")) == ("gzip", "Accept-Encoding")
    assert field(head, "Content-Length") == str((site / "vnc.html.gz").stat().st_size)
    assert field(head, "Content-Type") == field(whole, "Content-Type")
    assert field(head, "ETag") not in (None, tag)

    for path in ("out", "../secret", "%2e%2e/secret", "..%2fsecret"):
        assert (await curl(url + path))[0] == 404, path
