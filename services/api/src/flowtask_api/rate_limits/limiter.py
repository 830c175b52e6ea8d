"""Which windows decide: the shared ones, and this process's own while those are away."""

import asyncio
from collections.abc import Mapping, Sequence

from redis.exceptions import RedisError

from flowtask_contracts.resources import Plan
from flowtask_kit import logs

from ..auth.scopes import READING
from . import metrics
from .memory import MemoryWindows
from .models import Decision, Limit
from .shared import SharedWindows

log = logs.get(__name__)

AGAIN_SECONDS = 1.0
"""How long this process decides alone before it asks Redis again."""

REQUESTS, WRITES, FAILURES = "requests", "writes", "failed-authentications"


class Limiter:
    """Limits callers by plan, and addresses by what fails."""

    def __init__(self, plans: Mapping[Plan, tuple[int, int]], *, failures: int, shared: SharedWindows | None) -> None:
        self._reading = {plan: (Limit(REQUESTS, requests),) for plan, (requests, _) in plans.items()}
        self._writing = {
            plan: (Limit(REQUESTS, requests), Limit(WRITES, writes)) for plan, (requests, writes) in plans.items()
        }
        self._failing = (Limit(FAILURES, failures),)
        self._memory = MemoryWindows()
        self._shared = shared
        self._alone_until = 0.0
        self._alone = False

    async def request(self, key: str, plan: Plan, method: str) -> Decision:
        """Count a request of a credential; a write counts as a request too."""
        limits = (self._reading if method in READING else self._writing)[plan]
        return await self._take(f"key:{key}", limits)

    async def failure(self, address: str) -> Decision:
        """Count an authentication from an address that has failed."""
        return await self._take(f"address:{address}", self._failing)

    async def close(self) -> None:
        """Close what is open."""
        if self._shared is not None:
            await self._shared.close()

    async def _take(self, key: str, limits: Sequence[Limit]) -> Decision:
        decision = await self._shared_take(key, limits) or self._memory.take(key, limits)
        if not decision.passes:
            metrics.REFUSED.labels(decision.tightest.limit.name).inc()
        return decision

    async def _shared_take(self, key: str, limits: Sequence[Limit]) -> Decision | None:
        now = asyncio.get_running_loop().time()
        if self._shared is None or now < self._alone_until:
            return None
        try:
            decision = await self._shared.take(key, limits)
        except (RedisError, OSError, TimeoutError) as error:
            self._alone_until = asyncio.get_running_loop().time() + AGAIN_SECONDS
            self._tell(alone=True, error=repr(error))
            return None
        self._tell(alone=False)
        return decision

    def _tell(self, *, alone: bool, error: str | None = None) -> None:
        if alone != self._alone:
            self._alone = alone
            metrics.ALONE.set(alone)
            if alone:
                log.warning("rate limits are this replica's own: Redis is away", error=error)
            else:
                log.info("rate limits are shared again")
