"""One HTTP GET as a client: the request's bytes out, a whole answer in. Redirects are answers too."""

from __future__ import annotations

from dataclasses import dataclass

from wsgate.wire.client import MAX_BODY, Answer, Broken, HttpClient, Switched, Why

__all__ = ["MAX_BODY", "Fetch", "Fetched", "Unusable"]


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
        headers = [(b"Host", host.encode()), (b"Accept", b"application/json, text/plain"), (b"Connection", b"close")]
        headers += [(b"User-Agent", b"wsgate"), (b"Accept-Encoding", b"identity")]
        self._client = HttpClient(target.encode(), headers)
        self.request = self._client.request

    def receive(self, data: bytes) -> Fetched | Unusable | None:
        """The answer as far as ``data`` completes it. ``b""`` is the connection's end, not its loss."""
        answer = self._client.receive(data)
        return None if answer is None else _fetched(answer)

    def lost(self, why: str) -> Unusable | Fetched:
        """The connection is lost: no answer is whole then, for half of it may mean something else."""
        return _fetched(self._client.lost(why))


def _fetched(answer: Answer | Switched | Broken) -> Fetched | Unusable:
    assert not isinstance(answer, Switched)  # nobody has asked for one, so h11 takes none
    if isinstance(answer, Broken):
        return Unusable("it speaks TLS: write https:// in url" if answer.why is Why.TLS_CAME else answer.reason)
    return Unusable(answer.cut) if answer.cut else Fetched(answer.status, answer.body)
