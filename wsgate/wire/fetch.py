"""One HTTP GET as a client: the request's bytes out, a complete answer in. A redirect is an answer like any other."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsgate.wire.client import MAX_BODY, Answer, BadAnswer, BadAnswerCause, HttpClient, Switched
from wsgate.wire.headers import Headers

__all__ = ["MAX_BODY", "Fetch", "Fetched", "Unusable"]

_DEFAULTS = ((b"Accept", b"application/json, text/plain"), (b"User-Agent", b"wsgate"))


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    body: bytes
    headers: Headers = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Unusable:
    """No complete answer. ``reason`` is for the log."""

    reason: str


class Fetch:
    """A request and its answer. The connection ends after the answer. The caller sends ``request``.

    host: the value of the Host field
    target: path and query, in ASCII
    more: fields of the request, beside those that each one has; Accept and User-Agent replace its own
    max_body: bytes that the answer's body may have
    """

    def __init__(self, host: str, target: str, more: Headers = (), max_body: int = MAX_BODY) -> None:
        headers = [(b"Host", host.encode()), (b"Connection", b"close"), (b"Accept-Encoding", b"identity"), *more]
        given = {name.lower() for name, _ in more}
        headers += [(name, value) for name, value in _DEFAULTS if name.lower() not in given]
        self._client = HttpClient(target.encode(), headers, max_body=max_body)
        self.request = self._client.request

    def receive(self, data: bytes) -> Fetched | Unusable | None:
        """Returns the answer if ``data`` completes it, else ``None``.

        data: what the connection gave; ``b""`` is its regular end, for its loss call ``lost``
        """
        answer = self._client.receive(data)
        return None if answer is None else _fetched(answer)

    def lost(self, why: str) -> Unusable | Fetched:
        """The connection is lost. An incomplete answer is unusable, because half of it may mean something else."""
        return _fetched(self._client.lost(why))


def _fetched(answer: Answer | Switched | BadAnswer) -> Fetched | Unusable:
    assert not isinstance(answer, Switched)  # the request asked for no upgrade, so h11 rejects a 101
    if isinstance(answer, BadAnswer):
        is_tls = answer.cause is BadAnswerCause.TLS_CAME
        return Unusable("it speaks TLS: write https:// in url" if is_tls else answer.reason)
    return Unusable(answer.cut) if answer.cut else Fetched(answer.status, answer.body, answer.headers)
