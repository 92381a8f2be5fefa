"""Whose a session is: what is known of it when it begins, and what everybody calls it by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Who:
    """A client.

    peer: who has connected in its place, where that is not the same
    subject: whom its certificate names, where it has shown one
    user: whose password it knew, where one was asked for
    host: the host that it asked for, as it wrote it
    """

    client: str
    peer: str | None = None
    subject: str | None = None
    user: str | None = None
    host: str | None = None

    def fields(self) -> dict[str, object]:
        """What is known, under the names that the log has for it."""
        known = {
            "client": self.client,
            "peer": self.peer,
            "subject": self.subject,
            "user": self.user,
            "host": self.host,
        }
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True)
class About:
    """Who is joined to whom.

    id: short; no other session of this worker has had it since its process began
    route: its name
    path: as the log may have it, without a token
    since: trio seconds
    """

    id: str
    route: str
    who: Who
    backend: str
    path: str
    subprotocol: str | None
    since: float

    def fields(self) -> dict[str, object]:
        """All but the time, under the names that the log has for them."""
        return {
            "id": self.id,
            "route": self.route,
            **self.who.fields(),
            "backend": self.backend,
            "path": self.path,
            "subprotocol": self.subprotocol,
        }
