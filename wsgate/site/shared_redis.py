"""Numbers of sessions and token buckets in Redis, which several gateways share (``limits.shared``).

Theory of operation
-------------------
Each serving process has an id. A name has a hash with a field for each process: how many sessions of the name it has,
and until when that holds, the lease. A process tells whole numbers and no differences, and tells all it has every few
seconds. So a lost answer or an empty Redis is mended by the next telling, and what a dead process has told vanishes
with its lease. Times are those of the server: the clocks of the gateways need not agree.

A token bucket is one number, as in ``site.shared_buckets``: the time at which it will be full.

One script does everything that one call has to do, so it costs one round trip. Names are hashed: they are short then,
whatever a user is called.

Calls block, and are made in a thread. The connection is opened by the first of them, in the process that makes it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import redis

from wsgate.settings.model import RedisUrl
from wsgate.site.redis_client import redis_client

LEASE = 15.0  # seconds
_SESSIONS = "wsgate:sessions:"
_RATE = "wsgate:rate:"

# ARGV: id, lease in ms, number of upgrades; for each upgrade the number of its buckets, and of each key and rate; then
# key and number of each name. Returns for each upgrade which bucket is empty (0: none) and the µs until it has a token;
# then for each name the sessions of all other processes.
_SCRIPT = """
local id, lease, at = ARGV[1], tonumber(ARGV[2]), 4
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer = {}
local function lacking(key, rate)
  local full = math.max(tonumber(redis.call('GET', key) or 0), now) + math.max(1, math.floor(1000000 / rate))
  local wait = full - now - 1000000
  if wait > 0 then return wait end
  redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
  return 0
end
for _ = 1, tonumber(ARGV[3]) do
  local buckets, empty, wait = tonumber(ARGV[at]), 0, 0
  at = at + 1
  for bucket = 1, buckets do
    if empty == 0 then
      wait = lacking(ARGV[at], tonumber(ARGV[at + 1]))
      if wait > 0 then empty = bucket end
    end
    at = at + 2
  end
  answer[#answer + 1] = empty
  answer[#answer + 1] = wait
end
local until_ = string.format('%.0f', now + lease * 1000)
for name = at, #ARGV, 2 do
  local key, number, others = ARGV[name], ARGV[name + 1], 0
  local fields = redis.call('HGETALL', key)
  for field = 1, #fields, 2 do
    local count, ends = string.match(fields[field + 1], '^(%d+) (%d+)$')
    if fields[field] ~= id then
      if ends and tonumber(ends) > now then
        others = others + tonumber(count)
      else
        redis.call('HDEL', key, fields[field])
      end
    end
  end
  if number == '0' then
    redis.call('HDEL', key, id)
  else
    redis.call('HSET', key, id, number .. ' ' .. until_)
    redis.call('PEXPIRE', key, lease)
  end
  answer[#answer + 1] = others
end
return answer
"""


class RedisError(Exception):
    """Redis does not answer, or not as it should; the message says what."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket that holds ``rate`` tokens and gets as many in a second."""

    name: str
    rate: int


@dataclass(frozen=True, slots=True)
class Empty:
    """No token: which of an upgrade's buckets has none, and the nanoseconds until it has."""

    bucket: int
    lacking: int


class SharedRedis:
    """A server.

    within: seconds for which it may leave a connection, or a call, without an answer
    lease: seconds for which a number holds
    """

    def __init__(self, url: RedisUrl, within: float, lease: float = LEASE) -> None:
        self._lease = round(lease * 1000)
        self._id = os.urandom(8).hex()
        self._client = redis_client(url, within)
        self._closed = False
        self._script = self._client.register_script(_SCRIPT)

    def tell(
        self, upgrades: Sequence[Sequence[Bucket]], counts: Sequence[tuple[str, int]]
    ) -> tuple[list[Empty | None], list[int]]:
        """Takes tokens for upgrades, and tells how many sessions of some names this process has.

        An upgrade takes a token of each of its buckets in turn, until one has none.

        Returns for each upgrade which bucket had none, and for each name how many sessions the other processes have.
        Raises ``RedisError``.
        """
        words: list[str | int] = [self._id, self._lease, len(upgrades)]
        for buckets in upgrades:
            words.append(len(buckets))
            for bucket in buckets:
                words += (_key(_RATE, bucket.name), bucket.rate)
        for name, number in counts:
            words += (_key(_SESSIONS, name), number)
        try:
            answer = self._call(words)
        except (redis.RedisError, OSError, ValueError) as error:
            raise RedisError(str(error).rstrip(".") or type(error).__name__) from None
        if not _is_answer(answer, 2 * len(upgrades) + len(counts)):
            raise RedisError("an answer of another kind: is it a Redis server?")
        split = 2 * len(upgrades)
        took = zip(answer[:split:2], answer[1:split:2], strict=True)
        return [Empty(which - 1, wait * 1000) if which else None for which, wait in took], answer[split:]

    def close(self) -> None:
        """Closes all connections. A call that is made in a thread at this moment fails."""
        self._closed = True
        self._client.close()

    def _call(self, words: Sequence[str | int]) -> object:
        try:
            return self._script(args=words)
        except redis.ConnectionError:
            if self._closed:
                raise
            return self._script(args=words)  # an idle connection was lost, or the master is a replica now
        finally:
            if self._closed:  # perhaps it was opened afterwards
                self._client.close()


def _is_answer(answer: object, size: int) -> TypeGuard[list[int]]:
    return isinstance(answer, list) and len(answer) == size and all(isinstance(each, int) for each in answer)


def _key(prefix: str, name: str) -> str:
    return prefix + hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
