"""The tables of the bus as a service's first migration makes them.

Migrations that have run call this, so what it makes never changes: a later change is a new function.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def create_bus_tables(schema: str) -> None:
    """Make all of them."""
    create_outbox(schema)
    create_command_records(schema)
    create_failed_messages(schema)


def create_outbox(schema: str) -> None:
    """Make `outbox`."""
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        _time("created_at", default="clock_timestamp()"),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox"),
        schema=schema,
    )


def create_command_records(schema: str) -> None:
    """Make `command_records`."""
    op.create_table(
        "command_records",
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("reply", postgresql.JSONB(), nullable=True),
        _time("created_at", default="now()"),
        sa.PrimaryKeyConstraint("command_id", name="pk_command_records"),
        schema=schema,
    )
    op.create_index("ix_command_records_created_at", "command_records", ["created_at"], schema=schema)


def create_failed_messages(schema: str) -> None:
    """Make `failed_messages`."""
    op.create_table(
        "failed_messages",
        sa.Column("consumer", sa.String(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("stream_seq", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=False),
        _time("first_failed_at", default="now()"),
        _time("dead_at", nullable=True),
        sa.PrimaryKeyConstraint("consumer", "message_id", name="pk_failed_messages"),
        schema=schema,
    )
    op.create_index("ix_failed_messages_dead_at", "failed_messages", ["dead_at"], schema=schema)


def add_workspace_of_commands(schema: str) -> None:
    """Have `command_records` name the tenant; records from before name none."""
    op.add_column("command_records", sa.Column("workspace_id", sa.Uuid(), nullable=True), schema=schema)
    op.create_index("ix_command_records_workspace_id", "command_records", ["workspace_id"], schema=schema)


def _time(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[datetime]:
    server_default = sa.text(default) if default else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=server_default)
