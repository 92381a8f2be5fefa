"""One HTTP GET as a client, over h11: the request's bytes out, a bounded answer in. Redirects are answers too."""

from __future__ import annotations

from dataclasses import dataclass

import h11

from wsgate.wire.http import MAX_HEAD

MAX_BODY = 64 << 10  # bytes


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Unusable:
    """An answer that is none; ``reason`` is for the log."""

    reason: str


class Fetch:
    """A request and its answer; the connection ends behind it.

    host: what the Host field says
    target: path and query, in ASCII
    """

    def __init__(self, host: str, target: str) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._status: int | None = None
        self._body = bytearray()
        headers = [("Host", host), ("Accept", "application/json, text/plain"), ("Connection", "close")]
        headers += [("User-Agent", "wsgate"), ("Accept-Encoding", "identity")]
        self.request = self._send(h11.Request(method="GET", target=target, headers=headers))
        self.request += self._send(h11.EndOfMessage())

    def receive(self, data: bytes) -> Fetched | Unusable | None:
        """The answer as far as ``data`` (``b""``: the connection ended) completes it."""
        try:
            self._h11.receive_data(data)
            while True:
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    return None
                if isinstance(event, h11.Response):
                    self._status = event.status_code
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > MAX_BODY:
                        return Unusable(f"it answered with more than {MAX_BODY} bytes")
                elif isinstance(event, h11.EndOfMessage):
                    assert self._status is not None
                    return Fetched(self._status, bytes(self._body))
                elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    return Unusable("it changed the protocol")
        except h11.RemoteProtocolError:
            if data:
                return Unusable("its answer is not HTTP")
            return Unusable(
                "it ended the connection without an answer" if self._status is None else "its body broke off"
            )

    def _send(self, event: h11.Event) -> bytes:
        return self._h11.send(event) or b""
