"""The set-ups: client and server of the gateway, and the cases that are run.

``left_out``: the cases that a set-up does not run, with the reason for the report. Cases that run and may fail are in
``verdict.ALLOWED``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BASIC = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*")  # the suite has no section 8 or 11
COMPRESSION = ("12.*", "13.*")


@dataclass(frozen=True)
class SetUp:
    """key: its letter, also its name in the reports
    title: the chain, from client to server
    shows: what a result in it says about the gateway
    echo: the module of the echo behind the gateway; none where the suite is the server
    route: the action of the gateway's one route, and its compression; ``{port}`` is the backend's
    basic: whether sections 1 to 10 are asked
    compression: whether sections 12 and 13 are; where the gateway's own compression makes it possible, only they
    offers: whether the client of a fuzzing server offers compression
    """

    key: str
    title: str
    shows: str
    echo: str | None
    route: Mapping[str, Any]
    basic: bool = True
    compression: bool = False
    offers: bool = True
    left_out: Mapping[str, str] = field(default_factory=dict)


_TEXT = "asks for a text message back; bytes come out of a tunnel as binary messages"
_NO_BOUNDARIES = "a byte stream keeps no message boundaries: large messages come back cut, small ones joined"

_RELAY = {"relay": {"to": ["ws://127.0.0.1:{port}"]}}
_CLIENT_SIDE = {"compression": {"client": "on"}, **_RELAY}
_BACKEND_SIDE = {"compression": {"backend": "on"}, **_RELAY}
_BOTH_SIDES = {"compression": {"client": "on", "backend": "on", "context": "session", "level": 6}, **_RELAY}
_TUNNEL = {"tunnel": {"to": ["tcp://127.0.0.1:{port}"], "text": "accept"}}

SET_UPS = (
    SetUp(
        "a",
        "fuzzing client → relay → echo server of the `websockets` library",
        "the gateway as a server, in front of a backend that checks everything too",
        "echo_library",
        _RELAY,
        compression=True,
    ),
    SetUp(
        "b",
        "fuzzing client → relay → echo server that checks nothing",
        "the gateway as a server, alone: what is refused here, the gateway refused",
        "echo_unchecked",
        _RELAY,
    ),
    SetUp(
        "c",
        "client of the `websockets` library → relay → fuzzing server",
        "the gateway as a client",
        None,
        _RELAY,
        compression=True,
    ),
    SetUp(
        "d",
        "fuzzing client → tunnel → TCP service that echoes bytes",
        "the gateway as the only WebSocket endpoint, as far as a byte stream can answer",
        "echo_bytes",
        _TUNNEL,
        left_out={
            "1.1.*": _TEXT,
            "1.2.1": "an empty message has no bytes that could come back",
            "1.2.6": _NO_BOUNDARIES,
            "1.2.7": _NO_BOUNDARIES,
            "1.2.8": _NO_BOUNDARIES,
            **dict.fromkeys(["3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5"], _TEXT),
            **dict.fromkeys(["5.3", "5.4", "5.5", "5.6", "5.7", "5.8", "5.15", "5.19", "5.20"], _TEXT),
            "6.*": "to a tunnel text is bytes: nothing is validated, nothing comes back as text",
            "7.1.1": _TEXT,
            "7.1.5": "asks for no data behind a Close; the service's last bytes follow it, as after a FIN",
            "9.*": _NO_BOUNDARIES,
            "10.*": _NO_BOUNDARIES,
        },
    ),
    SetUp(
        "e",
        "fuzzing client → relay that compresses to clients → echo server that knows no extension",
        "the gateway's own compression as a server: every message comes to the echo plain, and goes back compressed",
        "echo_unchecked",
        _CLIENT_SIDE,
        basic=False,
        compression=True,
    ),
    SetUp(
        "f",
        "client of the `websockets` library, without compression → relay that compresses to backends → fuzzing server",
        "the gateway's own compression as a client",
        None,
        _BACKEND_SIDE,
        basic=False,
        compression=True,
        offers=False,
    ),
    SetUp(
        "g",
        "fuzzing client → relay that compresses on both sides → echo server of the `websockets` library",
        "a compression of its own on each side, with `context: session`",
        "echo_library",
        _BOTH_SIDES,
        basic=False,
        compression=True,
    ),
    SetUp(
        "h",
        "fuzzing client → relay that compresses to clients → echo server of the `websockets` library",
        "the same as e with `context: session`, in front of a backend that checks everything",
        "echo_library",
        {"compression": {"client": "on", "context": "session"}, **_RELAY},
        basic=False,
        compression=True,
    ),
)
