"""``listeners``: where connections are accepted."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass

from wsgate.settings.model.addresses import Addresses
from wsgate.settings.model.key import setting
from wsgate.settings.model.tls import Tls
from wsgate.settings.values import SCHEMES_PORT, BindAddress, Count, FileMode, Network, TcpAddress
from wsgate.settings.words import ListenerRedirect


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyProtocol:
    """The PROXY protocol, versions 1 and 2, in front of every connection from these peers."""

    from_: tuple[Network, ...] = setting("Peers that must speak it; others are refused.", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    bind: BindAddress = setting(
        "Where to accept connections: host[:port], [v6][:port] or unix:/path; without a port 80, with tls 443.",
        required=True,
    )
    tls: Tls | None = setting("Speak TLS on this listener.", default=None)
    proxy_protocol: ProxyProtocol | None = setting("Expect the PROXY protocol of a balancer in front.", default=None)
    redirect: ListenerRedirect | None = setting(
        "https answers plain HTTP requests with a redirect to https.", default=None
    )
    addresses: Addresses | None = setting("Which clients may use this listener, by address.", default=None)
    mode: FileMode | None = setting("Permissions of a Unix socket, like 0660.", default=None)
    backlog: Count = setting("Connections that may wait in the kernel to be accepted.", default=4096)

    def __post_init__(self) -> None:
        if isinstance(self.bind, TcpAddress) and self.bind.port == SCHEMES_PORT:
            address = TcpAddress(self.bind.host, 443 if self.tls else 80)
            object.__setattr__(self, "bind", address)  # the class is frozen
