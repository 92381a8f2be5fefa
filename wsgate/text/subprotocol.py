"""The name of a subprotocol: an element of Sec-WebSocket-Protocol.

RFC 6455 §4.1 requires tokens, but some clients and servers use names like "SPDY/3.1+portforward.k8s.io" or
"ogmios.v1:compact". Names that would break the field or the list are refused: with control characters, commas, quotes
(a quoted string may contain a comma), and blanks around them.
"""

from __future__ import annotations

import re

SUBPROTOCOL = r'[^\x00-\x20\x7f",](?:[^\x00-\x1f\x7f",]*[^\x00-\x20\x7f",])?'  # the schema uses it too

_SUBPROTOCOL = re.compile(SUBPROTOCOL.encode())


def is_subprotocol(value: bytes) -> bool:
    return _SUBPROTOCOL.fullmatch(value) is not None
