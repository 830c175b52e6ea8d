"""An index by which the events of a workspace are found.

Safe while the previous version runs: it is built partition by partition without holding up writers, outside of a
transaction; a run that broke off is repeated. A partition that is made meanwhile gets the index with the table.
"""

from flowtask_kit.database import indexes

revision = "2026_11_22_2011"
down_revision = "2026_11_22_2010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with indexes.as_long_as_it_takes():
        indexes.build_by_partition("webhooks", "messages", "workspace_id_event_id", "(workspace_id, event_id)")
