"""The API's own schema: its declarative base, what it keeps of the bus, and its migrations."""

from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase

from flowtask_kit.bus import models as bus
from flowtask_kit.database.base import SchemaBase, metadata_of
from flowtask_kit.database.migrations import MigrationSet
from flowtask_kit.outbox.models import OutboxRow

SCHEMA = "api"

THIS_TRANSACTION = text("pg_current_xact_id()::text::bigint")
"""The number of the current transaction, which orders changes: it never comes back, unlike the 32-bit `xid`."""


class Base(SchemaBase, DeclarativeBase):
    """The base of every table of the API."""

    metadata = metadata_of(SCHEMA)


class Outbox(OutboxRow, Base):
    """Events of the API on their way to the bus."""

    source = "flowtask/api"


class CommandRecord(bus.CommandRecord, Base):
    """Commands that the API has carried out."""


class FailedMessage(bus.FailedMessage, Base):
    """Messages that the API could not handle."""


MIGRATIONS = MigrationSet("flowtask_api", SCHEMA, Base.metadata)
