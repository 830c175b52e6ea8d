"""Scopes, expiry and rotation of API keys, and the audit log.

Safe while the previous version runs: columns with constant defaults rewrite no table, its inserts get `admin`, which is
what its keys may do, and it does not know the new table. It does not look at scopes and expiry either: narrow keys are
narrow once every replica runs this version.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_2000"
down_revision = "2026_11_22_1950"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("scopes", postgresql.ARRAY(sa.String()), server_default="{admin}", nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_address", sa.String(), nullable=True),
        sa.Column("rotated_from", sa.Uuid(), nullable=True),
        sa.Column("rotated_to", sa.Uuid(), nullable=True),
    ):
        op.add_column("api_keys", column, schema="api")
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum("requested", "done", name="outcome", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("command_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
        sa.UniqueConstraint("command_id", "action", name="uq_audit_entries_command_id_action"),
        schema="api",
    )
    op.create_index(
        "ix_audit_entries_workspace_id",
        "audit_entries",
        ["workspace_id", sa.text("created_at DESC"), sa.text("id DESC")],
        schema="api",
    )
