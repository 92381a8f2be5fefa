"""The body of the gateway's own refusals, as the client wants it (RFC 9110 §12.5.1)."""

from __future__ import annotations

import html
import json
import re

from wsgate.wire.headers import elements
from wsgate.wire.http import Refusal, Request

_PLAIN, _PAGE, _JSON = b"text/plain; charset=utf-8", b"text/html; charset=utf-8", b"application/json"
_WEIGHT = re.compile(rb"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)

_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{status} {reason}</title></head>
<body><h1>{status}</h1><p>{reason}</p></body></html>
"""


def error_body(refusal: Refusal, request: Request | None) -> tuple[bytes, bytes]:
    """Returns the Content-Type and the body. Text, unless the client asks for HTML or JSON by name."""
    kind = _PLAIN if request is None else _wanted(elements(request.headers, b"accept"))
    if kind is _JSON:
        return kind, json.dumps({"status": refusal.status, "error": refusal.reason}).encode() + b"\n"
    if kind is _PAGE:
        return kind, _HTML.format(status=refusal.status, reason=html.escape(refusal.reason)).encode()
    return kind, f"{refusal.status} {refusal.reason}\n".encode()


def _wanted(accepted: list[bytes]) -> bytes:
    """Returns the type that is named with the greatest weight, the first of several."""
    best, weight = _PLAIN, 0.0
    for element in accepted:
        name, *parameters = (part.strip(b" \t").lower() for part in element.split(b";"))
        kind = {b"text/html": _PAGE, b"application/json": _JSON, b"text/plain": _PLAIN}.get(name)
        found = [match for each in parameters if (match := _WEIGHT.fullmatch(each))]
        its = float(found[0][1]) if found else 1.0
        if kind is not None and its > weight:
            best, weight = kind, its
    return best
