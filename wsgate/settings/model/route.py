"""``routes``: which requests one takes, and what becomes of them."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass

from wsgate.settings.model.addresses import Addresses
from wsgate.settings.model.answers import Files, Redirect, Respond, State
from wsgate.settings.model.auth import Auth
from wsgate.settings.model.compression import Compression
from wsgate.settings.model.cors import Cors
from wsgate.settings.model.defaults import Heartbeat, RouteLimits, Timeouts
from wsgate.settings.model.headers import Headers
from wsgate.settings.model.key import setting
from wsgate.settings.model.relay import Relay
from wsgate.settings.model.tunnel import Tunnel
from wsgate.settings.values import HostPattern, MatchField, PathPattern, QueryField, RouteName, Subprotocol, WebOrigin
from wsgate.settings.words import Errors, OnReload, PlainHttp, Upgrades


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    host: tuple[HostPattern, ...] = setting(
        "Host names, without a port; *.example.com matches one or more labels.", default=()
    )
    path: PathPattern | None = setting(
        "/x exact, /x/* prefix, ~regex, which is matched from the path's start on, and to its end only with a $ there; "
        "any path when it is left out. What is compared is the path's normal form.",
        default=None,
    )
    subprotocol: tuple[Subprotocol, ...] = setting("The client must offer one of these.", default=())
    header: tuple[MatchField, ...] = setting(
        "Fields that the request must have, each with just this value: a mapping, name: value.", default=()
    )
    query: tuple[QueryField, ...] = setting(
        "Parameters that the query must have, each with just this value: a mapping, name: value.", default=()
    )
    websocket: bool | None = setting(
        "true takes requests for a WebSocket only, false all others; both when it is left out.", default=None
    )


PlainAction = Files | Respond | Redirect | State  # for requests that ask for no WebSocket
Action = Relay | Tunnel | Files | Respond | Redirect | State


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A match and what happens then. ``action`` is the one that the file names: ``relay``, ``tunnel``, ``files``,
    ``respond``, ``redirect`` or ``state``."""

    name: RouteName = setting("The route's name in logs and errors.", required=True)
    on_reload: OnReload = setting(
        "When a reload changes or removes this route: keep lets its sessions go on, drain closes them.",
        default=OnReload.KEEP,
    )
    match: Match = setting("Which requests this route takes; every request when it is left out.", default=Match())
    addresses: Addresses | None = setting("Which clients may use this route, by address.", default=None)
    origins: tuple[WebOrigin, ...] = setting(
        "Pages that may open WebSockets here, by their Origin, like https://app.example.com or https://*.example.com; "
        "same-host is those of the host that is asked for, any is every page. Left out: same-host where auth is "
        "written, else any.",
        default=(),
    )
    origin_required: bool | None = setting(
        "Whether a request for a WebSocket that has no Origin is refused: it is not of a browser. Left out: it is "
        "refused where origins has neither same-host nor any.",
        default=None,
    )
    auth: Auth | None = setting("Who may use this route; everybody when left out.", default=None)
    errors: Errors = setting(
        "How a WebSocket is refused: status is an HTTP answer, which browsers show to nobody; close accepts, then "
        "closes with a code and a reason.",
        default=Errors.STATUS,
    )
    http: PlainHttp = setting(
        "Requests to relay that ask for no WebSocket: reject answers them with 426, forward passes them on over HTTP.",
        default=PlainHttp.REJECT,
    )
    upgrade: Upgrades = setting(
        "With http: forward, any passes on upgrades to other protocols than WebSocket, too, but none to HTTP or TLS.",
        default=Upgrades.WEBSOCKET,
    )
    cors: Cors | None = setting(
        "Let the pages in origins read answers of plain HTTP; left out, a backend's own answers say who may.",
        default=None,
    )
    headers: Headers = setting("Header fields that are changed on their way.", default=Headers())
    compression: Compression | None = setting(
        "Compression of messages, permessage-deflate: pass, off, or a mapping. A relay's; a tunnel has none.",
        default=Compression(),
    )
    heartbeat: Heartbeat | None = setting("Heartbeat of this route, or off.", default=Heartbeat())
    timeouts: Timeouts = setting("Timeouts of this route; what is left out comes from defaults.", default=Timeouts())
    limits: RouteLimits = setting("Limits of this route; what is left out comes from defaults.", default=RouteLimits())
    action: Action
