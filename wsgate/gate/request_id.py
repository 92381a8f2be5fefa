"""The id of a request, by which lines of several programs' logs are found to belong together."""

from __future__ import annotations

import re

from wsgate.gate.client import Client
from wsgate.net.random_bytes import random_bytes
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
    return random_bytes(_BYTES).hex()
