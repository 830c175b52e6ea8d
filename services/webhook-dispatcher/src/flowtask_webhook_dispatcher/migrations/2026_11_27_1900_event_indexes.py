"""Indexes by which the events of a resource and of a type are found.

Safe while the previous version runs: they are built partition by partition without holding up writers, outside of a
transaction; a run that broke off is repeated. A partition that is made meanwhile gets the indexes with the table.
"""

from flowtask_kit.database import indexes

revision = "2026_11_27_1900"
down_revision = "2026_11_27_1840"
branch_labels = None
depends_on = None

INDEXES = {
    "resource": "(workspace_id, resource_id, event_id)",
    "type": "(workspace_id, type, event_id)",
}


def upgrade() -> None:
    with indexes.as_long_as_it_takes():
        for name, columns in INDEXES.items():
            indexes.build_by_partition("webhooks", "messages", name, columns)
