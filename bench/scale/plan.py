"""The size and the times of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """All times are in seconds.

    sessions: of all clients, one for each
    replicas: that serve at the same time; one more takes part, the spare
    balancers: each has its part of the clients, because a session takes two of its descriptors
    rate: new sessions in a second, at the start
    steady: how long nothing is done
    reconnect: within which a client comes back, at random
    ping, silence: between two Pings of a client, and until it gives up one that is not answered
    check: between two checks of a balancer, and for the connection
    fall: checks that fail until a replica is down
    delay, spread, grace: of ``drain``
    over: within which sessions are moved to a new replica
    """

    sessions: int = 10_000
    replicas: int = 4
    backends: int = 4
    balancers: int = 2
    rate: float = 400.0
    steady: float = 10.0
    reconnect: float = 5.0
    ping: float = 10.0
    silence: float = 10.0
    check: float = 1.0
    fall: int = 3
    delay: float = 3.0
    spread: float = 25.0
    grace: float = 10.0
    over: float = 30.0

    @property
    def heartbeat(self) -> float:
        """The time after which a client knows of itself that its connection is dead."""
        return self.ping + self.silence

    @property
    def share(self) -> float:
        """The sessions that a replica has when all have as many."""
        return self.sessions / self.replicas

    @property
    def cap(self) -> int:
        """``limits.sessions`` of a replica: what it has when another one is dead, and a tenth."""
        return math.ceil(11 * self.sessions / (10 * (self.replicas - 1)))

    @property
    def moved(self) -> int:
        """The per cent of its sessions that each replica gives to one that is added."""
        return 100 // self.replicas
