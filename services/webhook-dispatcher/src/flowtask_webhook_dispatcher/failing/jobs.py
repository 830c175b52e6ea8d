"""What recurs: endpoints to which nothing arrives are judged once an hour, and the hours are counted by that."""

from datetime import datetime, timedelta

from flowtask_kit.database.transaction import transaction
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.when import Every
from flowtask_kit.service.resources import Resources

from . import service


def judging(limit: int) -> Job:
    """The job that warns owners and disables endpoints after `limit` hours; run again it finds nothing new to tell."""

    async def run(resources: Resources, slot: datetime) -> None:
        async with transaction(resources.database, resources.wake) as tx:
            await service.learn(tx, slot)
            found = await service.candidates(tx, slot, limit)
        for workspace_id, endpoint_id in found:
            async with transaction(resources.database, resources.wake) as tx:
                await service.review(tx, workspace_id, endpoint_id, limit)

    return Job(name=service.JOB, when=Every(timedelta(hours=1)), takes=timedelta(minutes=10), run=run)
