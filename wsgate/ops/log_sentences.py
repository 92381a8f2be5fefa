"""The events of a session as sentences for people: who, through what, how fast, and why it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

Fields = Mapping[str, object]

_EVENTS = frozenset({"opened", "still open", "session"})

# What is known of the client beside its address, and what comes behind the sentence, with what each is called there
_ABOUT_CLIENT = (("peer", "through"), ("user", "user"), ("subject", "certificate"))
_BEHIND = (
    ("compression", "compression"),
    ("id", "id"),
    ("request_id", "request"),
    ("user_agent", "agent"),
    ("worker", "worker"),
)


def sentence(event: str | None, fields: Fields) -> str | None:
    """Returns the sentence of an event of a session; ``None`` for another event."""
    if event not in _EVENTS:
        return None
    parts = [_from_whom_to_where(fields)]
    if event == "session":
        parts[0] += f" {fields['reason']} by {fields['ended_by']}"
        parts.append(f"codes {_close(fields, 'client')}/{_close(fields, 'backend')}")
    if event != "opened":
        parts += _traffic(fields)
    parts += [f"{called} {quote(fields[name])}" for name, called in _BEHIND if fields.get(name) is not None]
    detail = fields.get("detail")
    return ", ".join(parts) + ("" if detail is None else f": {quote_lines(detail)}")


def quote(value: object) -> str:
    """Returns a value so that it looks like no second line, and like no other field."""
    text = str(value)
    return json.dumps(text, ensure_ascii=True) if not text.isprintable() or " " in text or '"' in text else text


def quote_lines(value: object) -> str:
    """Returns a value at the end of a line, where it may have spaces, so that it looks like no second line."""
    text = str(value)
    return text if text.isprintable() else json.dumps(text, ensure_ascii=True)


def _from_whom_to_where(fields: Fields) -> str:
    who = [f"{called} {quote(fields[name])}" for name, called in _ABOUT_CLIENT if fields.get(name) is not None]
    asked = quote(f"{fields.get('host') or ''}{fields.get('path') or ''}")
    protocol = fields.get("subprotocol")
    return (
        f"{fields['route']}: {fields['client']}"
        + (f" ({', '.join(who)})" if who else "")
        + (f" for {asked}" if asked else "")
        + f" -> {fields['backend']}"
        + (f" ({quote(protocol)})" if protocol else "")
    )


def _close(fields: Fields, side: str) -> str:
    code, reason = fields.get(f"{side}_code"), fields.get(f"{side}_reason")
    return f"{code or '-'}" + (f" {json.dumps(reason)}" if reason else "")


def _traffic(fields: Fields) -> Iterator[str]:
    yield f"{fields['duration']} s"
    for way in ("up", "down"):
        largest, throttled, plain = (fields.get(f"{name}_{way}") for name in ("largest", "throttled", "plain"))
        yield (
            f"{way} {fields[f'messages_{way}']} messages {fields[f'bytes_{way}']} bytes"
            + (f" (largest {largest})" if largest else "")
            + (f" throttled for {throttled} s" if throttled else "")
            + (f", {plain} compressed to {fields[f'compressed_{way}']}" if plain else "")
        )
    client, backend = fields.get("client_rtt_ms"), fields.get("backend_rtt_ms")
    if client is not None or backend is not None:
        yield f"RTT {'-' if client is None else client}/{'-' if backend is None else backend} ms"
