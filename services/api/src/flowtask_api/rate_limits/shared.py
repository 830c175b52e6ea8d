"""Windows in Redis or Valkey, shared by all replicas: one sorted set per key and limit, one atomic script."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from redis.asyncio import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .models import WINDOW_SECONDS, Decision, Room, Window
from .patience import Patience

CONNECTIONS = 8
"""Of one process: the server runs one script at a time, so more of them only wait there instead of here."""

PLACE_SECONDS = 5.0
"""How long a request waits for one of them, before what this process knows has to do for it."""

_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[1])
local wait, counts = 0, {}
for i, key in ipairs(KEYS) do
  local most = tonumber(ARGV[i + 2])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  counts[i] = redis.call('ZCARD', key)
  if most == 0 then
    wait = math.max(wait, window)
  elseif counts[i] >= most then
    local nth = redis.call('ZRANGE', key, counts[i] - most, counts[i] - most, 'WITHSCORES')
    wait = math.max(wait, nth[2] + window - now)
  end
end
local answer = {wait}
for i, key in ipairs(KEYS) do
  if wait == 0 then
    redis.call('ZADD', key, now, ARGV[2])
    redis.call('PEXPIRE', key, window)
    counts[i] = counts[i] + 1
  end
  local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  answer[#answer + 1] = counts[i]
  answer[#answer + 1] = oldest[2] and (oldest[2] + window - now) or window
end
return answer
"""


class SharedWindows:
    """Counts calls on the server's clock. Raises redis.RedisError, OSError or TimeoutError when it is away or too slow.

    Whoever takes has a place, and leaves it; how long they waited for it says nothing of the server.
    """

    def __init__(self, url: str, *, within: float) -> None:
        """`within` is how many seconds the server may take for a connection and an answer."""
        self._within = within
        self._places = asyncio.Semaphore(CONNECTIONS)
        pool = ConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._take = self._redis.register_script(_SCRIPT)

    async def place(self) -> bool:
        """Have one of the connections to oneself; False when too many others wait for one."""
        if self._places.locked():
            try:
                async with asyncio.timeout(PLACE_SECONDS):
                    return await self._places.acquire()
            except TimeoutError:
                return False
        return await self._places.acquire()

    def leave(self) -> None:
        """Let somebody else have it."""
        self._places.release()

    async def take(self, windows: Sequence[Window]) -> Decision:
        """Count a call in all these windows, or in none."""
        keys = [f"flowtask:rate:{key}:{limit.name}" for key, limit in windows]  # braces in keys keep them on one node
        most = [limit.most for _, limit in windows]
        async with Patience(self._within):
            wait, *told = await self._take(keys, [WINDOW_SECONDS * 1000, uuid4().hex, *most])
        rooms = [
            Room(limit, max(0, limit.most - told[2 * number]), told[2 * number + 1] / 1000)
            for number, (_, limit) in enumerate(windows)
        ]
        return Decision(passes=not wait, rooms=rooms, wait=wait / 1000)

    async def close(self) -> None:
        """Close its connections."""
        await self._redis.aclose()
