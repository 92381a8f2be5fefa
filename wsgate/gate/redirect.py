"""``redirect: https``: a plain listener that redirects its clients to a TLS listener."""

from __future__ import annotations

from collections.abc import Iterable

from wsgate.gate.client import Client
from wsgate.settings.model import Listener, ListenerRedirect, TcpAddress
from wsgate.wire.http import Refusal, Request

_HTTP, _HTTPS = 80, 443


def redirection(
    listener: Listener, listeners: Iterable[Listener], client: Client, request: Request, *, upgrade: bool
) -> Refusal | None:
    """Returns a 308, which keeps the method (RFC 9110 §15.4.9); ``None`` if the client is not redirected.

    A client is not redirected if a trusted proxy tells that it uses https already: that would be a loop. An upgrade is
    redirected too, to wss, because no session may be unencrypted on this listener. Browsers do not follow such a
    redirect (RFC 6455 §4.1 leaves it to the client), so the reason says what to do.
    """
    if listener.redirect is not ListenerRedirect.HTTPS or client.scheme == b"https":
        return None
    if not client.name:
        return Refusal(400, "a request without a host cannot be sent to https")
    port = _port(listener, listeners, client)
    authority = client.name if port == _HTTPS else b"%s:%d" % (client.name, port)
    scheme = b"wss" if upgrade else b"https"
    reason = "ws:// is not served here: use wss://" if upgrade else "http:// is not served here: use https://"
    return Refusal(308, reason, ((b"Location", scheme + b"://" + authority + request.target),))


def _port(listener: Listener, listeners: Iterable[Listener], client: Client) -> int:
    """Returns the port at which the client reaches the TLS listener.

    It is the listener's own port, if the client reached this listener at its own port. Otherwise ports are translated
    on the way, by a balancer or a container, and https is most likely at 443.
    """
    bind = listener.bind
    if client.proxied or not isinstance(bind, TcpAddress) or client.port != bind.port:
        return _HTTPS
    secure = (other.bind for other in listeners if other.tls is not None)
    return next((bind.port for bind in secure if isinstance(bind, TcpAddress)), _HTTPS)
