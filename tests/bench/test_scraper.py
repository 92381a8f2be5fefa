from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.scraper import Scraper


@contextmanager
def answering(body: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yields the port of a server that answers every request so, and what was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def test_it_asks_for_metrics() -> None:
    with answering(b"# HELP\nwsgate_sessions{route='a'} 1\n") as (port, asked), Scraper(port):
        pass
    assert asked == ["/metrics"]


def test_what_is_no_metrics_is_an_error() -> None:
    with answering(b"nonsense") as (port, _), pytest.raises(OSError, match="answered 200"), Scraper(port):
        pass


def test_an_error_of_the_block_comes_first() -> None:
    with answering(b"nonsense") as (port, _), pytest.raises(KeyError), Scraper(port):
        raise KeyError
