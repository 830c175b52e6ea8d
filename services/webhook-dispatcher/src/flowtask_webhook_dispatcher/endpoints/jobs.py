"""What recurs: secrets that no longer sign are forgotten."""

from datetime import datetime, timedelta

from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import utc_now
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.when import Every
from flowtask_kit.service.resources import Resources

from . import queries
from .revisions import next_revision


async def _wipe(resources: Resources, _slot: datetime) -> None:
    async with transaction(resources.database, resources.wake) as tx:
        now = utc_now()
        ended = (await tx.scalars(queries.hold_ended(now))).all()
        if not ended:
            return
        for statement in queries.wipe_ended(ended, now, await next_revision(tx)):
            await tx.execute(statement, execution_options={"synchronize_session": False})


WIPING = Job(name="ended-secrets", when=Every(timedelta(hours=1)), takes=timedelta(minutes=5), run=_wipe)
