"""What lists, searches and syncs of large workspaces need: ranks, searched text, the order of changes, tombstones.

The new columns are filled in by PostgreSQL, so the previous version's writes are complete. Adding the two that are
computed rewrites `tasks` under a lock.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1950"
down_revision = "2026_11_22_1730"
branch_labels = None
depends_on = None

SCHEMA = "api"
URGENCY = "CASE priority WHEN 'LOW' THEN 0 WHEN 'MEDIUM' THEN 1 WHEN 'HIGH' THEN 2 WHEN 'URGENT' THEN 3 END"
SEARCHED = "lower(title || chr(10) || \"left\"(COALESCE(description, ''), 1000))"
THIS_TRANSACTION = sa.text("pg_current_xact_id()::text::bigint")
NEWEST_FIRST = (sa.text("created_at DESC"), sa.text("id DESC"))


def upgrade() -> None:
    for column in (
        sa.Column("urgency", sa.SmallInteger(), sa.Computed(URGENCY, persisted=True), nullable=False),
        sa.Column("searched", sa.String(), sa.Computed(SEARCHED, persisted=True), nullable=False),
    ):
        op.add_column("tasks", column, schema=SCHEMA)
    for table in ("tasks", "projects"):
        changed_in = sa.Column("changed_in", sa.BigInteger(), server_default=THIS_TRANSACTION, nullable=False)
        op.add_column(table, changed_in, schema=SCHEMA)
        op.create_index(
            f"ix_{table}_workspace_id_changed_in_id", table, ["workspace_id", "changed_in", "id"], schema=SCHEMA
        )
    op.create_index("ix_tasks_workspace_id_status", "tasks", ["workspace_id", "status", *NEWEST_FIRST], schema=SCHEMA)
    op.create_index(
        "ix_tasks_workspace_id_urgency",
        "tasks",
        ["workspace_id", sa.text("urgency DESC"), *NEWEST_FIRST],
        schema=SCHEMA,
    )
    op.create_index(
        "ix_tasks_workspace_id_searched",
        "tasks",
        ["workspace_id", "searched"],
        schema=SCHEMA,
        postgresql_using="gin",
        postgresql_ops={"searched": "extensions.gin_trgm_ops"},
    )
    for reference in ("project_id", "assignee_id"):
        op.drop_index(f"ix_tasks_workspace_id_{reference}", "tasks", schema=SCHEMA)
        op.create_index(
            f"ix_tasks_workspace_id_{reference}",
            "tasks",
            ["workspace_id", reference, *NEWEST_FIRST],
            schema=SCHEMA,
            postgresql_include=["status", "urgency"],
        )
    op.create_table(
        "tombstones",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("changed_in", sa.BigInteger(), server_default=THIS_TRANSACTION, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "changed_in", "id", name="pk_tombstones"),
        schema=SCHEMA,
    )
    op.create_index("ix_tombstones_deleted_at", "tombstones", ["deleted_at"], schema=SCHEMA)
    _follow_changes()


def _follow_changes() -> None:
    """Have every write say in which transaction it was made, whoever makes it."""
    op.execute("""
        CREATE FUNCTION api.note_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.changed_in := pg_current_xact_id()::text::bigint;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION api.bury() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO api.tombstones (workspace_id, id, kind) SELECT workspace_id, id, TG_ARGV[0] FROM gone;
            RETURN NULL;
        END $$
    """)
    for table, kind in (("tasks", "task"), ("projects", "project")):
        op.execute(f"""
            CREATE TRIGGER note_change BEFORE UPDATE ON api.{table} FOR EACH ROW EXECUTE FUNCTION api.note_change()
        """)
        op.execute(f"""
            CREATE TRIGGER bury AFTER DELETE ON api.{table} REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION api.bury('{kind}')
        """)
