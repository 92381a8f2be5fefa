"""PostgreSQL for a program that has WebSockets only: a driver in a real browser, which names the database itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.peers.sockets import free_port
from tests.programs import MODULES, find

from .browser import chromium
from .gateway_process import running
from .started import started

DRIVER = "@neondatabase/serverless"
pytestmark = pytest.mark.needs("initdb", "postgres", "setpriv", DRIVER, "chromium", "chromedriver")

PATIENCE = 30.0  # seconds for an answer; a loaded machine is slow
NOBODY = 65534  # PostgreSQL does not run as root
ROWS = 640  # of 32 KiB each

# ask() connects, sends one query and returns the result or the error. The driver asks its proxy for host and port.
PAGE = """<!DOCTYPE html>
<title>PostgreSQL</title>
<script type="module">
import { Client, neonConfig } from "./driver.mjs";
Object.assign(neonConfig, {
    wsProxy: (host, port) => `${location.host}/v2?address=${host}:${port}`,
    useSecureWebSocket: false, pipelineConnect: false, pipelineTLS: false, forceDisablePgSSL: true,
    disableWarningInBrowsers: true,
});
window.ask = async (port, sql) => {
    const client = new Client(`postgresql://test:secret@127.0.0.1:${port}/postgres`);
    await client.connect();
    const { rows } = await client.query(sql);
    await client.end();
    if (rows.length < 10) return rows;
    const text = new TextEncoder().encode(rows.map((row) => row.text).join(""));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    return { size: text.length, digest: Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") };
};
document.title = "ready";
</script>
"""
ASK = """
const done = arguments[2];
window.ask(arguments[0], arguments[1])
    .then((value) => done({value}), (error) => done({error: String(error.message || error.type || error)}));
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[int]:
    """A PostgreSQL of its own; its port."""
    as_nobody: list[str | Path] = []
    directory = Path(tempfile.mkdtemp())  # another user cannot read tmp_path
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
        as_nobody = [find("setpriv") or "", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    make: list[str | Path] = [
        find("initdb") or "",
        "-D",
        directory / "data",
        "-U",
        "test",
        "--auth=trust",
        "--no-sync",
        "--no-locale",
    ]
    port = free_port()
    serve: list[str | Path] = [
        find("postgres") or "",
        "-D",
        directory / "data",
        "-p",
        str(port),
        "-c",
        "listen_addresses=127.0.0.1",
    ]
    serve += ["-c", "unix_socket_directories=", "-c", "fsync=off"]
    try:
        with started([*as_nobody, *make], tmp_path / "initdb.log", ready="^Success"):
            pass
        with started([*as_nobody, *serve], tmp_path / "postgres.log", ready="ready to accept connections"):
            yield port
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        driver.set_script_timeout(PATIENCE)
        yield driver


def ask(driver: Chrome, port: int, sql: str) -> Any:
    return driver.execute_async_script(ASK, port, sql)


def test_a_driver_that_names_its_database(database: int, driver: Chrome, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text(PAGE)
    shutil.copy(MODULES / DRIVER / "index.mjs", site / "driver.mjs")
    named = {"target": {"from": "query:address"}, "allow": [f"127.0.0.1:{database}"]}
    routes = [
        {"name": "databases", "match": {"path": "/v2"}, "tunnel": named},
        {"name": "site", "files": {"root": str(site)}},
    ]
    with running(tmp_path, *routes) as gateway:
        driver.get(f"http://localhost:{gateway.port}/")
        assert driver.title == "ready"
        assert ask(driver, database, "SELECT 6 * 7 AS answer, 'ü' AS text") == {"value": [{"answer": 42, "text": "ü"}]}

        text = "".join(hashlib.md5(b"%d" % row).hexdigest() * 1024 for row in range(ROWS)).encode()
        large = f"SELECT repeat(md5(row::text), 1024) AS text FROM generate_series(0, {ROWS - 1}) row"
        assert ask(driver, database, large) == {
            "value": {"size": len(text), "digest": hashlib.sha256(text).hexdigest()}
        }

        assert "error" in ask(driver, database + 1, "SELECT 1")  # nothing else is allowed
    said = gateway.log.read_text()
    assert f"tcp://127.0.0.1:{database}" in said
    assert f"127.0.0.1:{database + 1} is not allowed on this route" in said
