"""The kinds of credentials, each with what checks it.

A new kind is a row here, one in ``site.auth.MAKERS``, and a field of ``settings.model.Auth``, all by the same name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from wsgate.gate.auth.api_keys import check_api_key
from wsgate.gate.auth.basic import check_basic
from wsgate.gate.auth.client_certificate import check_client_certificate
from wsgate.gate.auth.forward import check_forward
from wsgate.gate.auth.identity import Identity
from wsgate.gate.auth.jwt import check_jwt
from wsgate.gate.exchange import Exchange
from wsgate.wire.http import Refusal

# Returns who the client is, or why it is not admitted: with the cause, one word for the metrics. It bounds its time.
# The second argument is the live object that site.auth.MAKERS makes.
Check = Callable[[Exchange, Any], Awaitable[Identity | Refusal]]

CHECKS: dict[str, Check] = {
    "basic": check_basic,
    "jwt": check_jwt,
    "client_certificate": check_client_certificate,
    "api_keys": check_api_key,
    "forward": check_forward,
}
