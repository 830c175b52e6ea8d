"""What could not be sent for five days is not sent any more: news that old misleads, and nothing is kept waiting for ever."""

from datetime import datetime

from flowtask_kit import logs

from ..dispatch import metrics
from .locks import Connection

log = logs.get(__name__)

JOB = "expired-deliveries"
"""The name under which its runs are on record, one an hour."""

HOURS = 120
"""Five days, counted in hours in which the job has run: an outage of ours never has a delivery expire."""

CHUNK = 1000

_SINCE = """
    SELECT min(hour) FROM (
        SELECT DISTINCT date_trunc('hour', slot, 'UTC') AS hour FROM webhooks.job_runs
        WHERE job = $1 AND finished_at IS NOT NULL AND slot < $2
        ORDER BY hour DESC LIMIT $3
    ) ran HAVING count(*) = $3
"""

_EXPIRE = """
    WITH late AS MATERIALIZED (
        SELECT delivery_id, event_id, endpoint_id FROM webhooks.due
        WHERE coalesce(due_since, next_attempt_at) <= $1 AND lease_until <= $2 AND trigger <> 'replay'
            AND (next_attempt_at <= $2 OR next_attempt_at = '9999-01-01Z' AND blocked_at IS NULL)
        LIMIT $3 FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM webhooks.due d USING late WHERE d.delivery_id = late.delivery_id
    ), expired AS (
        UPDATE webhooks.deliveries d SET status = 'expired'
        FROM late WHERE d.event_id = late.event_id AND d.endpoint_id = late.endpoint_id AND d.status = 'pending'
    )
    SELECT count(*) FROM late
"""


async def expire(connection: Connection, now: datetime) -> int:
    """Give up what has been due for five days without an attempt; the number of deliveries.

    A circuit, a limit, a delivery before it or its owner has held it up. What waits for the next time of its schedule is not due yet, and what is
    under way is left alone. What is replayed was asked for although it is old: it waits for as long as it is kept.
    """
    since = await connection.fetchval(_SINCE, JOB, now, HOURS)
    if since is None:
        return 0
    expired = 0
    while number := await connection.fetchval(_EXPIRE, since, now, CHUNK):
        metrics.EXPIRED.inc(number)
        expired += number
    if expired:
        log.warning("deliveries expired: they could not be sent for five days", deliveries=expired)
    return expired
