"""What recurs: endpoints to which nothing arrives are judged once an hour, and the hours are counted by that."""

from datetime import datetime, timedelta

from flowtask_kit import logs
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outages import is_outage, is_timeout
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.when import Every
from flowtask_kit.service.resources import Resources

from . import service

log = logs.get(__name__)


def judging(limit: int) -> Job:
    """The job that warns owners and disables endpoints after `limit` hours; run again it finds nothing new to tell.

    An endpoint that cannot be judged is left to the next hour, and keeps no other from it; an outage of the database ends the run.
    """

    async def run(resources: Resources, slot: datetime) -> None:
        async with transaction(resources.database, resources.wake) as tx:
            await service.learn(tx, slot)
            found = await service.candidates(tx, slot, limit)
        for workspace_id, endpoint_id in found:
            try:
                async with transaction(resources.database, resources.wake) as tx:
                    await service.review(tx, workspace_id, endpoint_id, limit)
            except Exception as error:
                if is_timeout(error):
                    log.warning("endpoint not judged", endpoint_id=str(endpoint_id), error=repr(error))
                elif is_outage(error):
                    raise
                else:
                    log.exception("endpoint not judged", endpoint_id=str(endpoint_id))

    return Job(name=service.JOB, when=Every(timedelta(hours=1)), takes=timedelta(minutes=10), run=run)
