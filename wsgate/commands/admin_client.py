"""Asks the admin API of a running gateway, for the commands of operators."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

ADDRESS = "http://127.0.0.1:9600"  # if neither --admin nor WSGATE_ADMIN says another
_PIECE = 64 << 10  # bytes of a read
TIMEOUT = 30.0  # seconds for an answer: a reload tries the whole file first


class AskError(Exception):
    """The gateway could not be asked, or says no; the message says why."""

    def __init__(self, message: str, answer: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.answer: Mapping[str, Any] = answer or {}


@dataclass(frozen=True, slots=True)
class AdminClient:
    """How a gateway is asked.

    address: ``http://HOST:PORT`` or ``unix:/PATH``
    token_file: its first line is shown as the token
    timeout: seconds without a byte of an answer
    """

    address: str
    token_file: str | None = None
    timeout: float = TIMEOUT

    def ask(
        self, method: str, resource: str, query: Mapping[str, str] | None = None, body: object = None
    ) -> Mapping[str, Any]:
        """Returns the answer. Raises ``AskError``.

        resource: below ``/api/v1/``
        """
        with self._asking(method, resource, query, body) as response:
            text = response.read()
        return self._read(response.status, text)

    def lines(self, resource: str) -> Iterator[str]:
        """Yields the lines of an answer as they come, also without an end. Raises ``AskError``."""
        with self._asking("GET", resource) as response:
            if response.status != 200:
                self._read(response.status, response.read())
            rest = b""
            while piece := response.read1(_PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace")

    @contextmanager
    def _asking(
        self, method: str, resource: str, query: Mapping[str, str] | None = None, body: object = None
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {"Accept": "application/json"}
        if self.token_file is not None:
            headers["Authorization"] = f"Bearer {_first_line(self.token_file)}"
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        target = f"/api/v1/{resource}" + (f"?{urlencode(query)}" if query else "")
        connection = self._connection()
        try:
            connection.request(method, target, data, headers)
            yield connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            cure = "is it running, with admin in its file? --admin or WSGATE_ADMIN name another address"
            raise AskError(f"no answer from {self.address}: {why}: {cure}") from None
        finally:
            connection.close()

    def _read(self, status: int, text: bytes) -> Mapping[str, Any]:
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            said = text.decode(errors="replace").strip() or "nothing"
            raise AskError(f"{self.address} answered {status}: {said[:500]}")
        if status >= 400:
            cure = "; --token-file or WSGATE_ADMIN_TOKEN_FILE name the file that has it" if status == 401 else ""
            raise AskError(f"{answer.get('error', status)}{cure}", answer)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self.address.startswith("unix:"):
            return _UnixConnection(self.address.removeprefix("unix:"), self.timeout)
        parts = urlsplit(self.address)
        try:
            if parts.scheme != "http" or not parts.hostname:
                raise ValueError
            return http.client.HTTPConnection(parts.hostname, parts.port or 9600, timeout=self.timeout)
        except ValueError:
            raise AskError(f"{self.address!r} is no address: write http://127.0.0.1:9600 or unix:/path") from None


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _first_line(file: str) -> str:
    try:
        with open(file, encoding="latin-1") as lines:
            token = lines.readline().strip()
    except OSError as error:
        raise AskError(f"the token file {file!r} cannot be read: {error.strerror}") from None
    if not token.isascii() or not token.isprintable() or not token:
        raise AskError(f"the token file {file!r} has no token in its first line")
    return token


def client_from(address: str | None, token_file: str | None) -> AdminClient:
    """Returns a client; what is ``None`` is in the environment, or has its default."""
    address = address or os.environ.get("WSGATE_ADMIN") or ADDRESS
    return AdminClient(address.rstrip("/"), token_file or os.environ.get("WSGATE_ADMIN_TOKEN_FILE") or None)
