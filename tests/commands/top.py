"""Answers of an admin API as ``wsgate top`` gets them."""

from __future__ import annotations

from typing import Any

from wsgate.commands.snapshot import Snapshot


def session(id: str = "1f", **fields: Any) -> dict[str, Any]:
    return {
        **{"id": id, "route": "chat", "client": "192.0.2.1:5000", "user": None, "backend": "ws://b:1", "state": "open"},
        **{"duration": 61.0, "messages_up": 0, "messages_down": 0, "bytes_up": 0, "bytes_down": 0},
        **{"client_rtt_ms": None, **fields},
    }


def backend(name: str = "ws://b:1", **fields: Any) -> dict[str, Any]:
    return {
        **{"route": "chat", "backend": name, "sessions": 3, "failures": 0},
        **{"healthy": True, "ejected": False, "draining": False, **fields},
    }


def snapshot(
    at: float, *sessions: dict[str, Any], total: int | None = None, backends: Any = (), missing: Any = (), **status: Any
) -> Snapshot:
    total = len(sessions) if total is None else total
    return Snapshot(
        at,
        {"ready": True, "reasons": [], "version": "1", "sessions": total, **status},
        {"total": total, "offset": 0, "sessions": list(sessions), **({"missing_workers": missing} if missing else {})},
        {"backends": list(backends)},
    )
