"""The dispatcher's schema and its migration history."""

import re

from sqlalchemy.orm import DeclarativeBase

from flowtask_kit.bus.models import CommandRecord as CommandRecordColumns
from flowtask_kit.bus.models import FailedMessage as FailedMessageColumns
from flowtask_kit.database.base import SchemaBase, metadata_of
from flowtask_kit.database.migrations import MigrationSet
from flowtask_kit.outbox.models import OutboxRow
from flowtask_kit.schedule.models import JobRun as JobRunColumns

SCHEMA = "webhooks"

_PARTITION = re.compile(r"(messages|deliveries|attempts)_(p\d{8}|default)")


class Base(SchemaBase, DeclarativeBase):
    """The base of the dispatcher's models."""

    metadata = metadata_of(SCHEMA)


class Outbox(OutboxRow, Base):
    """Events of the dispatcher itself, on their way to the bus."""

    source = "flowtask/webhook-dispatcher"


class CommandRecord(CommandRecordColumns, Base):
    """Commands that were carried out, with their replies."""


class FailedMessage(FailedMessageColumns, Base):
    """Internal events that the dispatcher could not handle."""


class JobRun(JobRunColumns, Base):
    """Slots of the recurring jobs."""


MIGRATIONS = MigrationSet(
    package="flowtask_webhook_dispatcher",
    schema=SCHEMA,
    metadata=Base.metadata,
    ignores=lambda table: _PARTITION.fullmatch(table) is not None,
)
