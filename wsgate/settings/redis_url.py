"""The URL of a Redis server: ``redis://[[user][:password]@]host[:port][/database]``, or ``rediss://`` for TLS.

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

EXPECTED = "redis://host:port/database, or rediss://"
_PORT = 6379
_URL = re.compile(r"(redis|rediss)://(?:([^@/?#]*)@)?([^/?#@]+)(?:/([0-9]*))?")


def redis_url(text: str) -> RedisUrl:
    """Parses the URL. Raises ``TextError``."""
    found = _URL.fullmatch(text)
    if found is None:
        raise TextError(f"this is no Redis URL: write {EXPECTED}, and percent-encode what is odd in a user or password")
    scheme, userinfo, authority, number = found.groups()
    user, _, password = (userinfo or "").partition(":")
    if user and not password:
        raise TextError("a user needs a password: write user:password, or :password for the default user")
    host, port = host_and_port(authority)
    return RedisUrl(
        scheme == "rediss",
        TcpAddress(host, _PORT if port is None else port_number(port)),
        database(number or "0"),
        unquote(user) or None,
        unquote(password) or None,
    )
