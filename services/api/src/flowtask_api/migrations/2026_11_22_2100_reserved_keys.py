"""Idempotency-Keys that stand for a request without its answer, which the service that does the work keeps.

Safe while the previous version runs: it writes rows with an answer as before, the new column has a constant default, and a row
without an answer is for it what it is, the key of another request.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2100"
down_revision = "2026_11_22_2020"
branch_labels = None
depends_on = None

SCHEMA, TABLE = "api", "idempotency_keys"


def upgrade() -> None:
    for column, kind in (("status", sa.Integer()), ("headers", sa.String()), ("body", sa.LargeBinary())):
        op.alter_column(TABLE, column, existing_type=kind, nullable=True, schema=SCHEMA)
    repeated: sa.Column[bool] = sa.Column("repeated", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column(TABLE, repeated, schema=SCHEMA)
