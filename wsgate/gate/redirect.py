"""``redirect: https``: a plain listener that only says where its clients should go."""

from __future__ import annotations

from collections.abc import Iterable

from wsgate.gate.client import Client
from wsgate.settings.model import Listener, Redirect, TcpAddress
from wsgate.wire.http import Refusal, Request

_HTTP, _HTTPS = 80, 443


def redirection(
    listener: Listener, listeners: Iterable[Listener], client: Client, request: Request, *, upgrade: bool
) -> Refusal | None:
    """Where to go instead, in a 308, which keeps the method (RFC 9110 §15.4.9); ``None`` where the client may stay.

    It may where a trusted proxy says that the client speaks https already, or it would be sent to and fro. An upgrade
    is redirected too, to wss: whoever asks for https wants no session in the clear. Browsers do not follow that (RFC
    6455 §4.1 leaves it to the client), so the words say what to do.
    """
    if listener.redirect is not Redirect.HTTPS or client.scheme == b"https":
        return None
    if not client.name:
        return Refusal(400, "a request without a host cannot be sent to https")
    port = _port(listener, listeners, client)
    authority = client.name if port == _HTTPS else b"%s:%d" % (client.name, port)
    scheme = b"wss" if upgrade else b"https"
    reason = "ws:// is not served here: use wss://" if upgrade else "http:// is not served here: use https://"
    return Refusal(308, reason, ((b"Location", scheme + b"://" + authority + request.target),))


def _port(listener: Listener, listeners: Iterable[Listener], client: Client) -> int:
    """The port that the client knows the TLS listener by.

    That is the listener's own, if the client knows this listener by its own port too. If not, something on the way
    translates ports, a balancer or a container's port mapping, and https is most likely where it always is.
    """
    bind = listener.bind
    if client.proxied or not isinstance(bind, TcpAddress) or client.port != bind.port:
        return _HTTPS
    secure = (other.bind for other in listeners if other.tls is not None)
    return next((bind.port for bind in secure if isinstance(bind, TcpAddress)), _HTTPS)
