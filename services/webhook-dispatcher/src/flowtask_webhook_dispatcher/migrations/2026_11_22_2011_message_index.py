"""An index by which the events of a workspace are found.

Safe while the previous version runs: it is built partition by partition without holding up writers, outside of a
transaction; a run that broke off is repeated. A partition that is made meanwhile gets the index with the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2011"
down_revision = "2026_11_22_2010"
branch_labels = None
depends_on = None

INDEX = "ix_messages_workspace_id_event_id"
PARTITIONS = sa.text("""
    SELECT c.relname, coalesce(x.indisvalid, true) AS fine
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN pg_index x ON x.indexrelid = to_regclass('webhooks.ix_' || c.relname || '_workspace_id_event_id')
    WHERE i.inhparent = 'webhooks.messages'::regclass ORDER BY c.relname
""")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute(f"CREATE INDEX IF NOT EXISTS {INDEX} ON ONLY webhooks.messages (workspace_id, event_id)")
        for name, fine in op.get_bind().execute(PARTITIONS).all():
            index = f"ix_{name}_workspace_id_event_id"
            if not fine:
                op.execute(f"DROP INDEX CONCURRENTLY webhooks.{index}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON webhooks.{name} (workspace_id, event_id)")
            op.execute(f"ALTER INDEX webhooks.{INDEX} ATTACH PARTITION webhooks.{index}")
        op.execute("SET statement_timeout = '60s'")
