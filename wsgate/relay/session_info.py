"""What is known about a session when it begins: its id, its client, its route and backend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from sys import intern


@dataclass(slots=True)
class ClientInfo:
    """What is known about a client; ``None`` for what is not known.

    address: its own, as the log shows it
    peer: the address of the connection, if another than the client's: a proxy's
    subject: the subject of its certificate (RFC 4514)
    user: its name, if it gave a password
    host: the host that it asked for, as it wrote it
    agent: its User-Agent, as far as the log shows it
    """

    address: str
    peer: str | None = None
    subject: str | None = None
    user: str | None = None
    host: str | None = None
    agent: str | None = None

    def fields(self) -> dict[str, object]:
        """Returns what is known, by the names of the log's fields."""
        known: dict[str, object] = {"client": self.address}
        if self.peer is not None:
            known["peer"] = self.peer
        if self.subject is not None:
            known["subject"] = self.subject
        if self.user is not None:
            known["user"] = self.user
        if self.host is not None:
            known["host"] = self.host
        if self.agent is not None:
            known["user_agent"] = self.agent
        return known


@dataclass(slots=True)
class SessionInfo:
    """What is known about a session when it begins.

    id: short; unique among the sessions of this process since its start
    route: its name
    backend: its address, as the log shows it
    path: as the log may show it, without a token
    since: when it began, in trio seconds
    request_id: of the request with which it began; empty if requests have none
    expires: when the client's credential does, in trio seconds
    compression: what becomes of compressed messages, as the log has it; empty without any
    """

    id: str
    route: str
    client: ClientInfo
    backend: str
    path: str
    subprotocol: str | None
    since: float
    request_id: str = ""
    expires: float = math.inf
    compression: str = ""

    def __post_init__(self) -> None:
        """Lets sessions of the same page and browser share these texts: thousands of idle ones keep them."""
        client = self.client
        self.path = intern(self.path)
        client.host = None if client.host is None else intern(client.host)
        client.agent = None if client.agent is None else intern(client.agent)

    def fields(self) -> dict[str, object]:
        """Returns all but the time, by the names of the log's fields."""
        return {
            "id": self.id,
            "route": self.route,
            **self.client.fields(),
            "backend": self.backend,
            "path": self.path,
            "subprotocol": self.subprotocol,
            "request_id": self.request_id or None,
            **({"compression": self.compression} if self.compression else {}),
        }
