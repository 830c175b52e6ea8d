"""How large the history is: told by every replica of the database they share."""

from prometheus_client import Gauge

from flowtask_kit.database.direct import Direct
from flowtask_kit.service.worker import Worker

from .partitions import TABLES

POLL_SECONDS = 60.0

BYTES = Gauge("flowtask_webhook_history_bytes", "Size of all partitions of a table, indexes included.", ("table",))

_SIZES = """
    SELECT p.relname AS table, coalesce(sum(pg_total_relation_size(i.inhrelid)), 0)::bigint AS bytes
    FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
    WHERE p.relnamespace = 'webhooks'::regnamespace AND p.relname = ANY ($1)
    GROUP BY p.relname
"""


async def measure(direct: Direct) -> dict[str, int]:
    """Bytes by table, partitions by default included."""
    sizes = {row["table"]: row["bytes"] for row in await direct.fetch(_SIZES, list(TABLES))}
    for table, size in sizes.items():
        BYTES.labels(table).set(size)
    return sizes


def measuring(direct: Direct, *, poll: float = POLL_SECONDS) -> Worker:
    """Measures every minute."""

    async def step() -> bool:
        await measure(direct)
        return False

    return Worker("history-size", step, poll=poll)
