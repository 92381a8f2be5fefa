"""The gateway's configuration: a route for each kind of visit, and one that every reload changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..hostile.faults import LIMIT
from ..pki import Pair

PASSWORD = "open sesame"
TOKEN = "t0ken"
PAGE = b"<p>here</p>\n" * 5000


@dataclass(frozen=True)
class Ports:
    """The ports of the far ends: WebSocket plain and with TLS, TCP, and a port without a listener."""

    relay: int
    relay_tls: int
    tcp: int
    dead: int


def lay_out(directory: Path, ports: Ports) -> None:
    """The files that the configuration names."""
    (directory / "site").mkdir()
    (directory / "site/index.html").write_bytes(PAGE)
    (directory / "tokens").write_text(f"{TOKEN}: 127.0.0.1:{ports.tcp}\n")


def settings(directory: Path, ports: Ports, pair: Pair, ca: str, *, workers: int, version: int) -> Mapping[str, Any]:
    """version: how often it was changed before"""
    relay = {"to": [f"ws://127.0.0.1:{ports.relay}"]}
    tunnel = {"to": [f"tcp://127.0.0.1:{ports.tcp}"]}
    return {
        "listeners": [{"bind": "127.0.0.1:0"}, {"bind": "127.0.0.1:0", "tls": pair.settings()}],
        "workers": workers,
        "drain": {"spread": "0s", "grace": "5s"},
        "defaults": {
            "heartbeat": {"interval": "300ms", "timeout": "30s"},
            "timeouts": {"handshake": "20s", "close": "40s"},
        },
        "routes": [
            {"name": "site", "match": {"path": "/site/*"}, "files": {"root": str(directory / "site")}},
            _route("secret", relay=relay, auth={"basic": {"users": [f"alice:{{PLAIN}}{PASSWORD}"]}}),
            _route("pages", relay=relay, origins=["https://page.example"]),
            _route("limited", relay=relay, limits={"message": f"{LIMIT}B"}),
            _route("dead", relay={"to": [f"ws://127.0.0.1:{ports.dead}"]}),
            _route("changing", relay=relay, on_reload="drain", timeouts={"lifetime": f"{version + 1}h"}),
            _route("encrypted", relay={"to": [f"wss://127.0.0.1:{ports.relay_tls}"], "tls": {"ca": ca}}),
            _route("tcp", tunnel=tunnel),
            _route("token", tunnel={"token": {"from": "query:token", "file": str(directory / "tokens")}}),
            _route("relay", relay=relay),
        ],
    }


def _route(name: str, **route: Any) -> dict[str, Any]:
    return {"name": name, "match": {"path": f"/{name}/*"}, **route}
