"""A web server with one page for a browser that no driver drives: the page reports what it has seen."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds for a browser to start and to report

Open = Callable[[Path, str], AbstractContextManager[None]]


class Site(http.server.ThreadingHTTPServer):
    """Serves one page, and receives its report."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.page = b""
        self.said: Any = None
        self.heard = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        found = self.path == "/"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.server.page if found else b"")

    def do_POST(self) -> None:
        self.server.said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.heard.set()

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def running(server: http.server.ThreadingHTTPServer) -> Iterator[int]:
    """The port of a server."""
    server.daemon_threads = True
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
