"""The notes service with a job, as a process: `python -m notes.jobs serve|jobs|run-job`."""

from datetime import datetime, timedelta

from fastapi import FastAPI

from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id
from flowtask_kit.schedule.cli import add_commands, run_command
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.scheduler import Scheduler
from flowtask_kit.schedule.when import Every
from flowtask_kit.service.app import create_service
from flowtask_kit.service.cli import parser_of, read_settings, run
from flowtask_kit.service.resources import Resources
from flowtask_kit.settings import ServiceSettings

from .contracts import NOTE_JOBS, NOTES
from .database import MIGRATIONS, JobRun, NoteRow

CENTURY = Every(timedelta(days=36500))
"""One slot, in 1970, for as long as these tests are run."""


async def tidy(resources: Resources, slot: datetime) -> None:
    async with transaction(resources.database, resources.wake) as tx:
        tx.add(NoteRow(id=new_id(), text=f"tidied {slot:%Y}"))


async def spoil(_resources: Resources, _slot: datetime) -> None:
    raise LookupError("hunter2")


TIDY = Job(name="tidy", when=CENTURY, takes=timedelta(minutes=1), run=tidy)
SPOIL = Job(name="spoil", when=CENTURY, takes=timedelta(minutes=1), run=spoil)


def create_app(settings: ServiceSettings) -> FastAPI:
    resources = Resources.create(NOTES, settings)
    scheduler = Scheduler(resources, JobRun, [TIDY], NOTE_JOBS)
    return create_service(
        resources,
        MIGRATIONS,
        needs_bus=False,
        on_start=[scheduler.start],
        on_stop=[scheduler.stop],
        openapi_url=None,
    )


def main() -> None:
    parser, commands = parser_of("notes", "Notes with jobs, for tests.")
    add_commands(commands)
    arguments = parser.parse_args()
    settings = read_settings(ServiceSettings)
    if not run_command(arguments, settings, NOTES, JobRun, [TIDY, SPOIL]):
        run(arguments.command, settings, MIGRATIONS, "notes.jobs:create_app")


if __name__ == "__main__":
    main()
