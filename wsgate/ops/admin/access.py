"""Who may ask the admin listener: the Host that a request names, where it comes from, and its token.

A page that a browser shows can reach an address that its user can reach. So a name that is not the gateway's is
refused: a foreign page could make its own name lead here (DNS rebinding). An address cannot be made to lead elsewhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Container, Sequence

from wsgate.gate.refusals import RETRY_AFTER
from wsgate.settings.model import Address, UnixAddress
from wsgate.text.error import TextError
from wsgate.text.host import host, is_ip
from wsgate.wire.headers import values
from wsgate.wire.http import Refusal, Request

FOREIGN_HOST = Refusal(
    421, "this name is not the gateway's: ask for its address or localhost, or write the name in admin.hosts"
)
FOREIGN_PAGE = Refusal(403, "a page of another origin may not ask this")
NO_TOKEN = Refusal(401, "a token is needed: Authorization: Bearer TOKEN", [(b"WWW-Authenticate", b"Bearer")])
WRONG_TOKEN = Refusal(401, "this is not the token", [(b"WWW-Authenticate", b'Bearer error="invalid_token"')])
BUSY = Refusal(503, "too many wrong tokens are tried: try again", RETRY_AFTER)


def check_host(request: Request, bind: Address, names: Container[str]) -> Refusal | None:
    """Returns why a request is refused because of the Host or Origin that it names, if so.

    bind: the listener's address; a browser reaches no Unix socket
    names: those of the gateway, besides localhost
    """
    if isinstance(bind, UnixAddress):
        return None
    origins = values(request.headers, b"origin")
    if any(not _is_same(origin, request.host) for origin in origins):
        return FOREIGN_PAGE
    if not request.host:  # HTTP/1.0, which browsers do not speak
        return None
    try:
        name = host(_without_port(request.host).decode("latin-1").removesuffix("."))
    except TextError:
        return FOREIGN_HOST
    return None if is_ip(name) or name == "localhost" or name in names else FOREIGN_HOST


def is_cross_site(request: Request) -> bool:
    """Whether a browser asks because of a page of another site: it says so in Sec-Fetch-Site also where it sends no
    Origin, for an image or a frame."""
    return any(value not in (b"same-origin", b"none") for value in values(request.headers, b"sec-fetch-site"))


def shown_token(request: Request) -> bytes | None:
    """Returns the token that a request shows (RFC 6750 §2.1); ``None`` without one."""
    fields: Sequence[bytes] = values(request.headers, b"authorization")
    if len(fields) != 1:
        return None
    scheme, _, token = fields[0].partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def is_token(shown: bytes, token: bytes) -> bool:
    """Whether a token is the right one, without telling by the time how much of it is."""
    return hmac.compare_digest(shown, token)


def _without_port(field: bytes) -> bytes:
    if field.startswith(b"["):
        return field.partition(b"]")[0] + b"]"
    return field.partition(b":")[0]


def _is_same(origin: bytes, host: bytes) -> bool:
    return origin.lower() == b"http://" + host.lower()
