"""The key that a chain of rotations began with, by which its keys are counted.

Safe while the previous version runs: the column is empty for it, and a key that it rotates begins a chain of its own. The
keys of chains that there are, which are few, are told where they began.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2140"
down_revision = "2026_11_22_2100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("rotated_first", sa.Uuid(), nullable=True), schema="api")
    op.execute("""
        WITH RECURSIVE chains (id, first) AS (
            SELECT id, id FROM api.api_keys WHERE rotated_from IS NULL AND rotated_to IS NOT NULL
            UNION ALL
            SELECT k.id, chains.first FROM chains JOIN api.api_keys k ON k.rotated_from = chains.id
        )
        UPDATE api.api_keys k SET rotated_first = chains.first
        FROM chains WHERE k.id = chains.id AND k.rotated_from IS NOT NULL
    """)
