"""Replays, what of them is under way, and since when an endpoint has been missing events.

Safe while the previous version runs: tables that it does not know, a column without a value, and indexes that are built without
holding up writers, outside of a transaction; a run that broke off is repeated. It takes the due rows of a replay for retries.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from flowtask_kit.database import indexes

revision = "2026_11_27_2100"
down_revision = "2026_11_27_1920"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"
UNFINISHED = sa.text("status IN ('counting', 'running', 'cancelling')")


def upgrade() -> None:
    missed_since = sa.Column("missed_since", sa.DateTime(timezone=True), nullable=True)
    op.add_column("endpoint_state", missed_since, schema=SCHEMA, if_not_exists=True)
    _tables()
    with indexes.as_long_as_it_takes():
        indexes.build_by_partition(SCHEMA, "deliveries", "open", "(endpoint_id, event_id) WHERE status <> 'delivered'")
        indexes.build(SCHEMA, "ix_due_replay", "due (endpoint_id, next_attempt_at) WHERE trigger = 'replay'")


def _tables() -> None:
    op.create_table(
        "replays",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("recovery", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("statuses", JSONB(), nullable=False),
        sa.Column("events", JSONB(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("counted", sa.Uuid(), nullable=True),
        sa.Column("reached", sa.Uuid(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("total", "delivered", "failed", "skipped")),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_replays"),
        schema=SCHEMA,
        if_not_exists=True,
    )
    for name, columns, unique, where in (
        ("ix_replays_workspace_id", ["workspace_id", "id"], False, None),
        ("ix_replays_due_at", ["due_at"], False, UNFINISHED),
        ("uq_replays_unfinished", ["endpoint_id"], True, UNFINISHED),
    ):
        op.create_index(
            name, "replays", columns, unique=unique, schema=SCHEMA, postgresql_where=where, if_not_exists=True
        )
    op.create_table(
        "replay_items",
        sa.Column("replay_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("was", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("replay_id", "event_id", name="pk_replay_items"),
        sa.ForeignKeyConstraint(
            ["replay_id"],
            [f"{SCHEMA}.replays.id"],
            name="fk_replay_items_replay_id_replays",
            ondelete="CASCADE",
        ),
        schema=SCHEMA,
        if_not_exists=True,
    )
