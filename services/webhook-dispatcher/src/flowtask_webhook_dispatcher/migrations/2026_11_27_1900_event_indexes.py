"""Indexes by which the events of a resource and of a type are found.

Safe while the previous version runs: they are built partition by partition without holding up writers, outside of a
transaction; a run that broke off is repeated. A partition that is made meanwhile gets the indexes with the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_1900"
down_revision = "2026_11_27_1840"
branch_labels = None
depends_on = None

INDEXES = {
    "resource": "(workspace_id, resource_id, event_id)",
    "type": "(workspace_id, type, event_id)",
}
PARTITIONS = sa.text("""
    SELECT c.relname, coalesce(x.indisvalid, true) AS fine
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN pg_index x ON x.indexrelid = to_regclass('webhooks.ix_' || c.relname || '_' || :name)
    WHERE i.inhparent = 'webhooks.messages'::regclass AND NOT EXISTS (
        SELECT FROM pg_index has JOIN pg_inherits part ON part.inhrelid = has.indexrelid
        WHERE has.indrelid = c.oid AND part.inhparent = to_regclass('webhooks.ix_messages_' || :name)
    )
    ORDER BY c.relname
""")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        for name, columns in INDEXES.items():
            op.execute(f"CREATE INDEX IF NOT EXISTS ix_messages_{name} ON ONLY webhooks.messages {columns}")
            for partition, fine in op.get_bind().execute(PARTITIONS, {"name": name}).all():
                index = f"ix_{partition}_{name}"
                if not fine:
                    op.execute(f"DROP INDEX CONCURRENTLY webhooks.{index}")
                op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON webhooks.{partition} {columns}")
                op.execute(f"ALTER INDEX webhooks.ix_messages_{name} ATTACH PARTITION webhooks.{index}")
        op.execute("SET statement_timeout = '60s'")
