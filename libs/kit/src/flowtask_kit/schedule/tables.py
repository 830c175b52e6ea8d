"""The table of recurring jobs as a migration of a service makes it.

Migrations that have run call this, so what it makes never changes: a later change is a new function.
"""

import sqlalchemy as sa
from alembic import op


def create_job_runs(schema: str) -> None:
    """Make `job_runs`."""
    op.create_table(
        "job_runs",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim_no", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("job", "slot", name="pk_job_runs"),
        schema=schema,
    )
