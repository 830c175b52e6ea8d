"""Endpoints, the partitioned history of deliveries, and the due work.

Safe while the previous version runs: there is none.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from flowtask_kit.bus.tables import create_command_records, create_outbox
from flowtask_webhook_dispatcher.deliveries.partitions import DAYS_AHEAD, TABLES, create_statements

revision = "2026_11_22_1300"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def _time(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[datetime]:
    server_default = sa.text(default) if default else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=server_default)


def upgrade() -> None:
    _endpoints()
    _history()
    _due()
    _bus()


def _endpoints() -> None:
    op.create_table(
        "endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("events", postgresql.JSONB(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        _time("created_at"),
        _time("updated_at"),
        _time("deleted_at", nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_endpoints"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_endpoints_workspace_id",
        "endpoints",
        ["workspace_id", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("ix_endpoints_revision", "endpoints", ["revision"], schema=SCHEMA)
    op.create_table(
        "endpoint_state",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("managed", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("owner", sa.Uuid(), nullable=True),
        _time("lease_until", default="'-infinity'"),
        sa.Column("epoch", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        _time("open_until", nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("endpoint_id", name="pk_endpoint_state"),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], [f"{SCHEMA}.endpoints.id"], name="fk_endpoint_state_endpoint_id_endpoints"
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "endpoint_revision",
        sa.Column("one", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("one", name="pk_endpoint_revision"),
        sa.CheckConstraint("one", name="ck_endpoint_revision_one"),
        schema=SCHEMA,
    )
    op.execute("INSERT INTO webhooks.endpoint_revision (revision) VALUES (0)")


def _history() -> None:
    op.create_table(
        "messages",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("resource_id", sa.String(), nullable=False),
        sa.Column("stream_seq", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        _time("received_at", default="now()"),
        sa.PrimaryKeyConstraint("event_id", name="pk_messages"),
        schema=SCHEMA,
        postgresql_partition_by="RANGE (event_id)",
    )
    op.create_table(
        "deliveries",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("resource_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _time("created_at", default="now()"),
        _time("last_attempt_at", nullable=True),
        sa.Column("last_status_code", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", "endpoint_id", name="pk_deliveries"),
        schema=SCHEMA,
        postgresql_partition_by="RANGE (event_id)",
    )
    op.create_index("ix_deliveries_endpoint_id_event_id", "deliveries", ["endpoint_id", "event_id"], schema=SCHEMA)
    op.create_table(
        "attempts",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        _time("at"),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("response_body", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", "endpoint_id", "attempt_no", name="pk_attempts"),
        schema=SCHEMA,
        postgresql_partition_by="RANGE (event_id)",
    )
    for table in TABLES:
        op.execute(f"CREATE TABLE {SCHEMA}.{table}_default PARTITION OF {SCHEMA}.{table} DEFAULT")
    today = datetime.now(UTC).date()
    for offset in range(-1, DAYS_AHEAD + 1):
        for statement in create_statements(today + timedelta(days=offset)):
            op.execute(statement)


def _due() -> None:
    op.create_table(
        "due",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("stream_seq", sa.BigInteger(), nullable=False),
        sa.Column("order_key", sa.String(), nullable=True),
        _time("next_attempt_at"),
        _time("lease_until", default="'-infinity'"),
        sa.Column("claim_no", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("trigger", sa.String(), nullable=False, server_default=sa.text("'schedule'")),
        _time("resume_at", nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_due"),
        schema=SCHEMA,
    )
    for name, condition in (("ix_due_first", "attempts = 0"), ("ix_due_retry", "attempts > 0")):
        op.create_index(
            name, "due", ["endpoint_id", "next_attempt_at"], schema=SCHEMA, postgresql_where=sa.text(condition)
        )
    op.create_index("ix_due_event_id", "due", ["event_id"], schema=SCHEMA)
    # Every row is written, claimed and deleted: room on its page keeps a claim out of the indexes, and what is dead
    # must go soon, for each claim reads past it.
    op.execute(
        f"ALTER TABLE {SCHEMA}.due SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,"
        " autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,"
        " autovacuum_vacuum_insert_threshold = -1)"
    )


def _bus() -> None:
    op.create_table(
        "unreadable_messages",
        sa.Column("stream_seq", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        _time("received_at", default="now()"),
        sa.PrimaryKeyConstraint("stream_seq", name="pk_unreadable_messages"),
        schema=SCHEMA,
    )
    create_outbox(SCHEMA)
    create_command_records(SCHEMA)
