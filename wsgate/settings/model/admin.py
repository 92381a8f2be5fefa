"""``admin``: where operators and their programs ask the gateway."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wsgate.settings.model.key import setting
from wsgate.settings.values import SCHEMES_PORT, BindAddress, FileMode, HostName, RouteName, SecretFile, TcpAddress
from wsgate.settings.words import AdminMetrics, AdminTap

ADMIN_PORT = 9600


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminToken:
    """The secret of those who may ask more than the metrics and the health."""

    HOLDS_SECRETS: ClassVar[bool] = True

    file: SecretFile = setting("A file whose first line is the token; read again when it changes.", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """An HTTP listener of its own, for metrics and health. What it is asked never comes from a client."""

    bind: BindAddress = setting(
        "Where to answer: host[:port], [v6][:port] or unix:/path; without a port 9600. Another address than loopback "
        "needs token.",
        required=True,
    )
    mode: FileMode | None = setting("Permissions of a Unix socket, like 0660.", default=None)
    token: AdminToken | None = setting("What a request must show as Authorization: Bearer TOKEN.", default=None)
    metrics: AdminMetrics = setting(
        "open answers /metrics without a token, token asks for it there, too.", default=AdminMetrics.OPEN
    )
    tap: AdminTap = setting(
        "What wsgate tap shows of a session: frames without their payloads, payload with them, off nothing. payload "
        "needs token or a Unix socket.",
        default=AdminTap.FRAMES,
    )
    hosts: tuple[HostName, ...] = setting(
        "Names by which it is asked for, besides localhost and addresses; other names are refused.", default=()
    )
    backends: tuple[RouteName, ...] = setting(
        "Routes: /readyz says no while one drains, or each of its backends is unhealthy, ejected or draining.",
        default=(),
    )

    def __post_init__(self) -> None:
        if isinstance(self.bind, TcpAddress) and self.bind.port == SCHEMES_PORT:
            object.__setattr__(self, "bind", TcpAddress(self.bind.host, ADMIN_PORT))  # the class is frozen
