"""The URL of a Redis server: ``redis://[[user][:password]@]host[:port][/database]``, or ``rediss://`` for TLS.

``redis+sentinel://[[user][:password]@]host[:port][,host[:port]]…/service[/database]`` names the Sentinels that know
which server is the master of a service; with ``rediss+sentinel://`` all of them have TLS. User and password are those
of the server.

No message quotes the text, because it may have a password.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from wsgate.settings.model import RedisUrl, TcpAddress
from wsgate.settings.numbers import database
from wsgate.text.address import host_and_port
from wsgate.text.error import TextError
from wsgate.text.port import port_number

EXPECTED = "redis://host:port/database, rediss:// or redis+sentinel://host:port,host:port/service"
_PORT = 6379
_SENTINEL_PORT = 26379
_URL = re.compile(r"redis(s)?(\+sentinel)?://(?:([^@/?#]*)@)?([^/?#@]+)((?:/[^/?#@]*)*)")
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")  # what Redis' sentinel.conf allows
_OTHERS_SENTINEL = re.compile(r"(?:rediss?-sentinel|sentinels?)://")  # of other libraries


def redis_url(text: str) -> RedisUrl:
    """Parses the URL. Raises ``TextError``."""
    if _OTHERS_SENTINEL.match(text):
        raise TextError("Sentinels are written as redis+sentinel://host:port,host:port/service/database")
    found = _URL.fullmatch(text)
    if found is None:
        raise TextError(f"this is no Redis URL: write {EXPECTED}, and percent-encode what is odd in a user or password")
    tls, sentinel, userinfo, authority, path = found.groups()
    user, _, password = (userinfo or "").partition(":")
    if user and not password:
        raise TextError("a user needs a password: write user:password, or :password for the default user")
    hosts = authority.split(",")
    if len(hosts) > 1 and not sentinel:
        raise TextError(
            "this names several servers: name one, or Sentinels by redis+sentinel://host:port,host:port/service"
        )
    service, number = _service(path) if sentinel else (None, path[1:])
    return RedisUrl(
        tls is not None,
        tuple(_address(host, _SENTINEL_PORT if sentinel else _PORT) for host in hosts),
        database(number or "0"),
        unquote(user) or None,
        unquote(password) or None,
        service,
    )


def _address(text: str, usual: int) -> TcpAddress:
    host, port = host_and_port(text)
    return TcpAddress(host, usual if port is None else port_number(port))


def _service(path: str) -> tuple[str, str]:
    """Splits ``/service/database``."""
    service, _, number = path[1:].partition("/")
    if not _SERVICE.fullmatch(service):
        problem = "behind the Sentinels stands what they call the service, of letters, digits, '.', '_' and '-'"
        raise TextError(f"{problem}: write redis+sentinel://host:port/service/database")
    return service, number
