"""Asks a running wsgate for its metrics once a second, as Prometheus would every few."""

from __future__ import annotations

import http.client
import threading
from types import TracebackType

INTERVAL = 1.0  # seconds
TIMEOUT = 10.0  # seconds for an answer


class Scraper:
    """Asks from ``__enter__`` to ``__exit__``, which raises ``OSError`` if an answer was missing or no metrics.

    port: of the admin listener
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._ending = threading.Event()
        self._failed: str | None = None
        self._thread = threading.Thread(target=self._run, name="scraper")

    def __enter__(self) -> Scraper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        if self._failed is not None and error is None:
            raise OSError(f"no metrics at port {self._port}: {self._failed}")

    def _run(self) -> None:
        while True:
            try:
                self._ask()
            except (OSError, http.client.HTTPException) as error:
                self._failed = str(error) or type(error).__name__
                return
            if self._ending.wait(INTERVAL):
                return

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            if answer.status != 200 or b"\nwsgate_sessions{" not in answer.read():
                raise OSError(f"answered {answer.status}")
        finally:
            connection.close()
