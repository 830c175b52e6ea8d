"""The tables of the notes service."""

from uuid import UUID

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flowtask_kit.bus import models as bus
from flowtask_kit.database.base import SchemaBase, metadata_of
from flowtask_kit.database.migrations import MigrationSet
from flowtask_kit.database.steps import Steps
from flowtask_kit.outbox.models import OutboxRow
from flowtask_kit.schedule import models as schedule


class Base(SchemaBase, DeclarativeBase):
    metadata = metadata_of("notes")


class NoteRow(Base):
    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    text: Mapped[str]


class Chore(Steps, Base):
    """Work in steps."""

    __tablename__ = "chores"

    id: Mapped[UUID] = mapped_column(primary_key=True)


class Outbox(OutboxRow, Base):
    source = "flowtask/notes"


class CommandRecord(bus.CommandRecord, Base):
    pass


class FailedMessage(bus.FailedMessage, Base):
    pass


class JobRun(schedule.JobRun, Base):
    pass


MIGRATIONS = MigrationSet(package="notes", schema="notes", metadata=Base.metadata)
