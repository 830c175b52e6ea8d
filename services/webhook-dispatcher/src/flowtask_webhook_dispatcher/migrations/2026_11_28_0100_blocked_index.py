"""The keys that are blocked are counted without looking through all that is due.

Safe while the previous version runs: an index of few rows, built without holding up writers.
"""

from alembic import op

revision = "2026_11_28_0100"
down_revision = "2026_11_27_2210"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS webhooks.ix_due_blocked")  # what a run that broke off has left
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_due_blocked ON webhooks.due (endpoint_id) WHERE blocked_at IS NOT NULL"
        )
        op.execute("SET statement_timeout = '60s'")
