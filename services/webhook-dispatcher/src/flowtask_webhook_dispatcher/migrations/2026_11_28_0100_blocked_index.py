"""The keys that are blocked are counted without looking through all that is due.

Safe while the previous version runs: an index of few rows, built without holding up writers.
"""

from flowtask_kit.database import indexes

revision = "2026_11_28_0100"
down_revision = "2026_11_27_2210"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with indexes.as_long_as_it_takes():
        indexes.build("webhooks", "ix_due_blocked", "due (endpoint_id) WHERE blocked_at IS NOT NULL")
