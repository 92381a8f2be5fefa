"""The name of a subprotocol, as an element of Sec-WebSocket-Protocol can have it.

RFC 6455 §4.1 wants tokens, but there are clients and servers that speak "SPDY/3.1+portforward.k8s.io" or
"ogmios.v1:compact". What would break the field or the list is no name: control characters, commas, quotes, behind which
a comma may hide, and blanks around it.
"""

from __future__ import annotations

import re

SUBPROTOCOL = r'[^\x00-\x20\x7f",](?:[^\x00-\x1f\x7f",]*[^\x00-\x20\x7f",])?'  # for the schema

_SUBPROTOCOL = re.compile(SUBPROTOCOL.encode())


def is_subprotocol(value: bytes) -> bool:
    return _SUBPROTOCOL.fullmatch(value) is not None
