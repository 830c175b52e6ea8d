"""What recurs for endpoints that are polled: what waits for one that was deleted is cancelled."""

from datetime import datetime, timedelta
from typing import Any

from flowtask_kit.database.transaction import transaction
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.when import Every
from flowtask_kit.service.resources import Resources

from . import queries

CHUNK = 1000


async def _cancel(resources: Resources, _slot: datetime) -> None:
    cancelled = CHUNK
    while cancelled == CHUNK:
        async with transaction(resources.database, resources.wake) as tx:
            done: Any = await tx.execute(queries.cancel_of_deleted(CHUNK))
            cancelled = done.rowcount


CANCELLING = Job(name="unpolled-deliveries", when=Every(timedelta(hours=1)), takes=timedelta(minutes=10), run=_cancel)
