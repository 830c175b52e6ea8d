"""What syncs know of themselves, the projects that lists go around, and dead rows cleared away sooner.

Safe while the previous version runs: it knows nothing of the new table. It refuses tokens that the new one has given out.
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2310"
down_revision = "2026_11_22_2140"
branch_labels = None
depends_on = None

SCHEMA = "api"


def upgrade() -> None:
    state = op.create_table(
        "sync_state",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("token_key", sa.LargeBinary(), nullable=False),
        sa.Column("system", sa.BigInteger(), nullable=True),
        sa.Column("renumbered_to", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("single", name="ck_sync_state_single"),
        sa.PrimaryKeyConstraint("single", name="pk_sync_state"),
        schema=SCHEMA,
    )
    op.bulk_insert(state, [{"token_key": secrets.token_bytes(64)}])
    op.create_index(
        "ix_projects_hidden",
        "projects",
        ["workspace_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.execute("ALTER TABLE api.tasks SET (autovacuum_vacuum_scale_factor = 0.02)")
