"""Recipients, mails, and what the service keeps of the bus.

Safe while the previous version runs: there is none.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from flowtask_kit.bus.tables import create_bus_tables

revision = "2026_11_22_1700"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "mailer"


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    create_bus_tables(SCHEMA)
    _people()
    _emails()


def _people() -> None:
    op.create_table(
        "recipients",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        _text("email"),
        _text("name"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_recipients"),
        schema=SCHEMA,
    )
    op.create_table(
        "workspaces",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        _text("name"),
        sa.Column("personal", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_workspaces"),
        schema=SCHEMA,
    )
    op.create_table(
        "memberships",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        _text("role"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name="pk_memberships"),
        schema=SCHEMA,
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"], schema=SCHEMA)
    op.create_table(
        "projections",
        _text("name"),
        _text("cursor", nullable=True),
        _time("filled_at", nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_projections"),
        schema=SCHEMA,
    )


def _emails() -> None:
    op.create_table(
        "emails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        _text("kind"),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        _text("resource_id"),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        *(_text(name, nullable=True) for name in ("sender", "recipient", "subject", "text", "html")),
        sa.Column(
            "status",
            sa.Enum("queued", "sent", "failed", name="status", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _time("due_at"),
        _time("lease_until", nullable=True),
        sa.Column("claim_no", sa.Integer(), nullable=False),
        *(_text(name, nullable=True) for name in ("transport", "provider_id", "last_error")),
        _time("created_at"),
        _time("sent_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_emails"),
        sa.UniqueConstraint("event_id", "kind", "user_id", name="uq_emails_event_id_kind_user_id"),
        schema=SCHEMA,
    )
    op.create_index("ix_emails_user_id", "emails", ["user_id"], schema=SCHEMA)
    op.create_index("ix_emails_workspace_id", "emails", ["workspace_id", sa.text("id DESC")], schema=SCHEMA)
    op.create_index(
        "ix_emails_due_at", "emails", ["due_at"], schema=SCHEMA, postgresql_where=sa.text("status = 'queued'")
    )
