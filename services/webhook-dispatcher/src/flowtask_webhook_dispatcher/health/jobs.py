"""What recurs: counts that are too old to be told are forgotten."""

from datetime import datetime, timedelta

from flowtask_kit.database.transaction import transaction
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.when import Cron
from flowtask_kit.service.resources import Resources

from . import queries


async def _forget(resources: Resources, slot: datetime) -> None:
    async with transaction(resources.database, resources.wake) as tx:
        await tx.execute(queries.forget(slot), execution_options={"synchronize_session": False})


FORGETTING = Job(name="attempt-counts", when=Cron("40 0 * * *"), takes=timedelta(minutes=5), run=_forget)
