"""Windows in Redis or Valkey, shared by all replicas: one sorted set per key and limit, one atomic script."""

from collections.abc import Sequence
from uuid import uuid4

from redis.asyncio import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .models import WINDOW_SECONDS, Decision, Limit, Room

CONNECTIONS = 8
"""Of one process: the server runs one script at a time, so more of them only wait there instead of here."""

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
    """Counts calls on the server's clock. Raises redis.RedisError or OSError when the server is away or too slow."""

    def __init__(self, url: str, *, within: float) -> None:
        """`within` is how many seconds a connection, and an answer, may take."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=within,
            socket_timeout=within,
            socket_connect_timeout=within,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._take = self._redis.register_script(_SCRIPT)

    async def take(self, key: str, limits: Sequence[Limit]) -> Decision:
        """Count a call under all these limits, or under none."""
        keys = [f"flowtask:rate:{{{key}}}:{limit.name}" for limit in limits]  # the braces keep a key's sets on one node
        wait, *told = await self._take(keys, [WINDOW_SECONDS * 1000, uuid4().hex, *(limit.most for limit in limits)])
        rooms = [
            Room(limit, max(0, limit.most - told[2 * number]), told[2 * number + 1] / 1000)
            for number, limit in enumerate(limits)
        ]
        return Decision(passes=not wait, rooms=rooms, wait=wait / 1000)

    async def close(self) -> None:
        """Close its connections."""
        await self._redis.aclose()
