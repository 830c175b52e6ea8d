"""Which windows decide: the shared ones, and this process's own while those are away."""

import asyncio
from collections.abc import Mapping, Sequence

from redis.exceptions import RedisError

from flowtask_contracts.resources import Plan
from flowtask_kit import logs

from ..auth.scopes import READING
from . import metrics
from .memory import MemoryWindows
from .models import Decision, Limit, Quota, Window
from .shared import SharedWindows

log = logs.get(__name__)

AGAIN_SECONDS = 1.0
"""How long this process decides alone before it asks Redis again."""

MOST_ADDRESSES = 20_000
"""How many addresses are remembered, at about a kilobyte each: whoever has more of them to fail from gains nothing by it."""

REQUESTS, WRITES, FAILURES, EXPIRED = "requests", "writes", "failed-authentications", "expired-tokens"


class Limiter:
    """Limits callers by plan, and addresses by what fails.

    The keys of a workspace may together ask as often as `keys` of them: making new ones brings no more.
    """

    def __init__(
        self, plans: Mapping[Plan, tuple[int, int]], *, keys: int, failures: int, shared: SharedWindows | None
    ) -> None:
        self._own = {plan: (Limit(REQUESTS, most), Limit(WRITES, writes)) for plan, (most, writes) in plans.items()}
        self._together = {
            plan: tuple(Limit(f"workspace-{limit.name}", limit.most * keys, wide=True) for limit in own)
            for plan, own in self._own.items()
        }
        self._failing = Limit(FAILURES, failures)
        self._expired = Limit(EXPIRED, plans[Plan.FREE][0])
        self._callers = MemoryWindows()
        self._addresses = MemoryWindows(most=MOST_ADDRESSES)
        self._shared = shared
        self._alone_until = 0.0
        self._alone = False
        metrics.ALONE.set(0)

    async def request(self, quota: Quota, method: str) -> Decision:
        """Count a request of a credential; a write counts as a request too."""
        kinds = 1 if method in READING else 2
        own = self._own[quota.plan][:kinds]
        if quota.workspace_id is None:
            return await self._take([Window(f"{{{quota.window}}}", limit) for limit in own], self._callers)
        workspace = f"{{{quota.workspace_id}}}"
        key = f"{workspace}:{quota.window}"
        windows = [Window(key, limit) for limit in own]
        windows += [Window(workspace, limit) for limit in self._together[quota.plan][:kinds]]
        return await self._take(windows, self._callers)

    async def failure(self, address: str) -> Decision:
        """Count an authentication from an address that has failed."""
        return await self._take([Window(f"{{address:{address}}}", self._failing)], self._addresses)

    async def expired(self, holder: str) -> Decision:
        """Count a credential that was genuine and is over; what its holder may ask with a good one stays as it is."""
        return await self._take([Window(f"{{{holder}}}", self._expired)], self._callers)

    async def close(self) -> None:
        """Close what is open."""
        if self._shared is not None:
            await self._shared.close()

    async def _take(self, windows: Sequence[Window], memory: MemoryWindows) -> Decision:
        decision = None if self._shared is None else await self._shared_take(self._shared, windows, memory)
        decision = decision or memory.take(windows)
        if not decision.passes:
            metrics.REFUSED.labels(decision.tightest.limit.name).inc()
        return decision

    async def _shared_take(
        self, shared: SharedWindows, windows: Sequence[Window], memory: MemoryWindows
    ) -> Decision | None:
        """What the shared windows decide, remembered here as well; None when this process has to decide."""
        if self._is_away() or not await shared.place():
            return None
        try:
            if self._is_away():  # as those found who had a place before
                return None
            decision = await shared.take(windows)
        except (RedisError, OSError, TimeoutError) as error:
            self._alone_until = asyncio.get_running_loop().time() + AGAIN_SECONDS
            self._tell(alone=True, error=repr(error))
            return None
        finally:
            shared.leave()
        self._tell(alone=False)
        if decision.passes:
            memory.note(windows)
        return decision

    def _is_away(self) -> bool:
        return asyncio.get_running_loop().time() < self._alone_until

    def _tell(self, *, alone: bool, error: str | None = None) -> None:
        if alone != self._alone:
            self._alone = alone
            metrics.ALONE.set(alone)
            if alone:
                log.warning("rate limits are this replica's own: Redis is away", error=error)
            else:
                log.info("rate limits are shared again")
