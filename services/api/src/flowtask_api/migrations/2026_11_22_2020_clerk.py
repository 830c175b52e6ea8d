"""Who people and tenants are at Clerk.

Safe while the previous version runs: the columns are empty for it, and it writes an address into every row of users. Its
reading of a person without one fails, so Clerk is turned on when it no longer runs. The indexes are built over nothing
but nulls.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2020"
down_revision = "2026_11_22_2010"
branch_labels = None
depends_on = None

SCHEMA = "api"


def upgrade() -> None:
    op.alter_column("users", "email", existing_type=sa.String(), nullable=True, schema=SCHEMA)
    op.add_column("users", sa.Column("clerk_id", sa.String(), nullable=True), schema=SCHEMA)
    op.create_unique_constraint("uq_users_clerk_id", "users", ["clerk_id"], schema=SCHEMA)
    op.add_column("workspaces", sa.Column("clerk_organization_id", sa.String(), nullable=True), schema=SCHEMA)
    op.create_unique_constraint(
        "uq_workspaces_clerk_organization_id", "workspaces", ["clerk_organization_id"], schema=SCHEMA
    )
    op.add_column("memberships", sa.Column("clerk_role_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA)
