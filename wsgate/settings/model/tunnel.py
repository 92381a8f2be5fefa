"""``tunnel``: TCP services, who chooses them, and what is recorded."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass

from wsgate.settings.model.key import setting
from wsgate.settings.model.tls import BackendTls
from wsgate.settings.model.token import Token
from wsgate.settings.values import Directory, Place, Size, Subprotocol, Target, TargetRule
from wsgate.settings.words import OnError, ProxyVersion, Scheme, TextFrames


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTarget:
    """Clients name their target themselves, among those that ``allow`` has."""

    from_: tuple[Place, ...] = setting(
        "Where the target is, as host:port: query:NAME, header:NAME, cookie:NAME or path; the first that is there "
        "counts.",
        required=True,
    )
    scheme: Scheme = setting("What is spoken to it.", default=Scheme.TCP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Each session is written to a file of its own; wsgate recording shows what to do with them."""

    directory: Directory = setting("Where the files are written; it must be there.", required=True)
    max_size: Size = setting("What one file may take; a session's recording ends there.", default=1 << 30)
    on_error: OnError = setting(
        "What a full, broken or hanging disk does: stop (the session goes on unrecorded), end (the session ends with "
        "1011, and who comes is refused with 503).",
        default=OnError.STOP,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """Pass bytes between WebSocket clients and a TCP service: one of ``to``, ``token`` and ``target`` says which."""

    to: tuple[Target, ...] = setting(
        "The TCP services, tried in order: tcp://host:port, tls://host:port or unix:/path.", default=()
    )
    token: Token | None = setting("Each client's token says which service it is led to.", default=None)
    target: ClientTarget | None = setting("Each client names its service itself; needs allow.", default=None)
    allow: tuple[TargetRule, ...] = setting(
        "What may be reached, after DNS: network, host pattern, * or unix:/directory/, each with :port or :first-last.",
        default=(),
    )
    deny: tuple[TargetRule, ...] = setting("What may not be reached, whatever allow has.", default=())
    tls: BackendTls = setting("TLS to tls:// services.", default=BackendTls())
    proxy_protocol: ProxyVersion | None = setting(
        "Tell the service who the client is, by the PROXY protocol v1 or v2.", default=None
    )
    subprotocols: tuple[Subprotocol, ...] = setting(
        "Accepted subprotocols; the first of these that the client offers is chosen. Left out: binary, or else the "
        "first that the client offers, but never base64.",
        default=(),
    )
    strict: bool = setting(
        "Refuse clients that offer subprotocols of which none is accepted; false lets them in without one, which "
        "browsers do not take.",
        default=True,
    )
    text: TextFrames = setting(
        "reject ends a session with 1003 on a text message, accept passes its bytes on.", default=TextFrames.REJECT
    )
    record: Record | None = setting("Write every session to a file.", default=None)
