"""redis-py's client of the server that a URL names, or that Sentinels name at the moment.

Sentinels are asked for each new connection, one after the other, until one names the master of the service. Next time
another one is asked first: one that is cut off from the others may name a former master.
"""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from wsgate.settings.model import RedisUrl, TcpAddress


def redis_client(url: RedisUrl, within: float) -> redis.Redis:
    """Opens no connection yet; each command may open one, and raises ``redis.RedisError`` or ``OSError``.

    within: seconds for which a server, or a Sentinel, may leave a connection or a command without an answer
    """
    usual: dict[str, Any] = {
        "protocol": 2,  # what servers before 6 know, too
        "socket_timeout": within,
        "socket_connect_timeout": within,
        "retry": Retry(NoBackoff(), 0),
    }
    if url.tls:
        usual |= {"ssl": True, "ssl_check_hostname": True}  # redis-py before 6 does not check it by itself
    login: dict[str, Any] = {"username": url.user, "password": url.password}
    if url.service is not None:
        sentinels = _Sentinels(url, usual, login)
        pool: Any = SentinelConnectionPool  # which has no types
        return redis.Redis.from_pool(pool(url.service, sentinels, db=url.database, **usual, **login))
    (address,) = url.addresses
    return redis.Redis(host=address.host, port=address.port, db=url.database, **usual, **login)


class _Sentinels:
    """What redis-py's pool asks for the address of the master."""

    def __init__(self, url: RedisUrl, usual: dict[str, Any], login: dict[str, Any]) -> None:
        self._addresses = list(url.addresses)
        # One that wants a login gets that of the server; one that wants none would refuse it
        self._logins = [usual] if url.password is None else [usual, usual | login]

    def discover_master(self, service: str) -> tuple[str, int]:
        error = f"no Sentinel knows the service {service!r}"
        for _ in self._addresses:
            address = self._addresses.pop(0)
            self._addresses.append(address)
            for options in self._logins:
                try:
                    master = _ask(address, service, options)
                except redis.AuthenticationError as failed:
                    error = f"Sentinel at {address}: {failed}"
                    continue
                except (redis.RedisError, OSError) as failed:
                    error = f"Sentinel at {address}: {failed}"
                    break
                if master is not None:
                    return master
                break
        raise redis.ConnectionError(error)


def _ask(address: TcpAddress, service: str, options: dict[str, Any]) -> tuple[str, int] | None:
    """Asks a Sentinel for the address of a master. Raises ``redis.RedisError`` and ``OSError``."""
    sentinel: Any = redis.Redis(host=address.host, port=address.port, decode_responses=True, **options)
    try:
        answer = sentinel.execute_command("SENTINEL", "get-master-addr-by-name", service)
    finally:
        sentinel.close()
    match answer:
        case None:
            return None
        case [str(host), str(port)] if port.isdecimal():
            return host, int(port)
    raise redis.ResponseError("an answer of another kind: is it a Sentinel?")
