"""What recurs in the history: partitions are made ahead and dropped when their age is over; what cannot be sent expires."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from flowtask_kit.database.engine import SERVER_SETTINGS, plain_dsn
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.when import Cron, Every
from flowtask_kit.service.resources import Resources

from ..settings import DispatcherSettings
from . import expiry
from .partitions import keep_partitions
from .retention import Keep, drop_history

STATEMENT_SECONDS = 60


def history_jobs(settings: DispatcherSettings) -> tuple[Job, ...]:
    """The jobs, which may be run again at any time: they bring about a state and count nothing."""
    keep = Keep(days=settings.webhooks_keep_days, attempts_days=settings.webhooks_keep_attempts_days)

    async def make(resources: Resources, slot: datetime) -> None:
        async with _connected(resources) as connection:
            await keep_partitions(connection, slot.date(), keep.oldest(slot.date()))

    async def drop(resources: Resources, slot: datetime) -> None:
        async with _connected(resources) as connection:
            await drop_history(connection, slot.date(), keep)

    async def expire(resources: Resources, slot: datetime) -> None:
        async with _connected(resources) as connection:
            await expiry.expire(connection, slot)

    return (
        Job(name="partitions", when=Every(timedelta(hours=1)), takes=timedelta(minutes=10), run=make),
        Job(name="retention", when=Cron("20 0 * * *"), takes=timedelta(minutes=10), run=drop),
        Job(name=expiry.JOB, when=Every(timedelta(hours=1)), takes=timedelta(minutes=10), run=expire),
    )


@asynccontextmanager
async def _connected(resources: Resources) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection of its own, so that what waits here for a lock keeps none from the others."""
    connection = await asyncpg.connect(
        plain_dsn(resources.settings.database_url.get_secret_value()),
        timeout=5,
        command_timeout=STATEMENT_SECONDS + 5,
        server_settings={
            **SERVER_SETTINGS,
            "statement_timeout": str(STATEMENT_SECONDS * 1000),
            "application_name": "flowtask-webhook-history",
        },
    )
    try:
        yield connection
    finally:
        connection.terminate()
