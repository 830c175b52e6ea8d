"""Billing's own schema: its declarative base, what it keeps of the bus, and its migrations."""

from sqlalchemy.orm import DeclarativeBase

from flowtask_kit.bus import models as bus
from flowtask_kit.database.base import SchemaBase, metadata_of
from flowtask_kit.database.migrations import MigrationSet
from flowtask_kit.outbox.models import OutboxRow

SCHEMA = "billing"


class Base(SchemaBase, DeclarativeBase):
    """The base of billing's models."""

    metadata = metadata_of(SCHEMA)


class Outbox(OutboxRow, Base):
    """Events of billing on their way to the bus."""

    source = "flowtask/billing"


class CommandRecord(bus.CommandRecord, Base):
    """Commands that were carried out, with their replies."""


class FailedMessage(bus.FailedMessage, Base):
    """Messages that billing could not handle."""


MIGRATIONS = MigrationSet("flowtask_billing", SCHEMA, Base.metadata)
