"""Searches by keys that hold the workspace, so that no search reads the list of all tasks of a workspace.

Indexes are built and dropped beside what goes on. Safe while the previous version runs, but its searches read every task of
their workspace from here on: it looks for the index that goes.
"""

from alembic import op

revision = "2026_11_27_1830"
down_revision = "2026_11_22_2330"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE OR REPLACE FUNCTION api.search_keys(workspace_id uuid, searched text) RETURNS bigint[]
        LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
        DECLARE
            seed bigint := uuid_hash_extended(workspace_id, 0);
        BEGIN
            RETURN ARRAY(SELECT hashtextextended(part, seed) FROM unnest(extensions.show_trgm(searched)) AS part);
        END $$
    """)
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS api.ix_tasks_search_keys")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_tasks_search_keys ON api.tasks USING gin (api.search_keys(workspace_id, searched))"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS api.ix_tasks_workspace_id_searched")
        op.execute("ANALYZE api.tasks")  # which keys are common is known from this, and by autovacuum afterwards
        op.execute("SET statement_timeout = '60s'")
