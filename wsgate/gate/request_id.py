"""The id of a request, by which lines of several programs' logs are found to belong together."""

from __future__ import annotations

import os
import re

from wsgate.gate.client import Client
from wsgate.settings.model import KeepRequestId, RequestId
from wsgate.wire.headers import values
from wsgate.wire.http import Request

_BYTES = 12  # so random that two are never the same, and nobody guesses one

# UUIDs, hexadecimal, base64, and the forms of most balancers; it is passed on and stands in the log
_ID = re.compile(rb"[A-Za-z0-9._:/+=@~-]{1,128}")


def id_of_request(settings: RequestId | None, request: Request, client: Client) -> str:
    """Returns the id that the request has, if it may be kept, or a new one; empty if requests get none."""
    if settings is None:
        return ""
    if settings.keep is KeepRequestId.ANY or (settings.keep is KeepRequestId.TRUSTED and client.trusted):
        sent = values(request.headers, settings.header.lower().encode())
        if len(sent) == 1 and _ID.fullmatch(sent[0]):
            return sent[0].decode()
    return _new()


_random = bytearray()  # drawn for many ids at once, because a system call costs more than the rest


def _new() -> str:
    if not _random:
        _random.extend(os.urandom(_BYTES * 100))
    drawn = _random[-_BYTES:].hex()
    del _random[-_BYTES:]
    return drawn


os.register_at_fork(after_in_child=_random.clear)  # or two processes would draw the same
