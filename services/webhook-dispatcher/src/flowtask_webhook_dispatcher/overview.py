"""What waits for somebody, whoever's it is: told by every replica of the database they share."""

from prometheus_client import Gauge

from flowtask_contracts.commands.webhook_replays import ReplayStatus
from flowtask_kit.database.direct import Direct
from flowtask_kit.service.worker import Worker

POLL_SECONDS = 15.0

BLOCKED = Gauge("flowtask_webhook_blocked_keys", "Keys that wait until their owners retry or skip what blocks them.")
REPLAYS = Gauge("flowtask_webhook_replays", "Replays that have not ended, by state.", ("state",))
REPLAYS_LATE = Gauge(
    "flowtask_webhook_replays_late_seconds", "How long the next step of a replay has been due, at most."
)

_STATES = (ReplayStatus.COUNTING, ReplayStatus.RUNNING, ReplayStatus.CANCELLING)
for _state in _STATES:
    REPLAYS.labels(_state.value)  # so that there is a series of each before the first look
_BLOCKED = "SELECT count(*) FROM webhooks.due WHERE blocked_at IS NOT NULL"
_REPLAYS = """
    SELECT status, count(*) AS number, extract(epoch FROM now() - min(due_at))::float8 AS late
    FROM webhooks.replays WHERE status IN ('counting', 'running', 'cancelling') GROUP BY status
"""


async def look(direct: Direct) -> None:
    """Set the gauges anew."""
    BLOCKED.set((await direct.fetch(_BLOCKED))[0][0])
    found = {row["status"]: row for row in await direct.fetch(_REPLAYS)}
    for state in _STATES:
        REPLAYS.labels(state.value).set(found[state]["number"] if state in found else 0)
    REPLAYS_LATE.set(max([0.0, *(row["late"] for row in found.values())]))


def looking(direct: Direct, *, poll: float = POLL_SECONDS) -> Worker:
    """Looks every quarter of a minute."""

    async def step() -> bool:
        await look(direct)
        return False

    return Worker("overview", step, poll=poll)
