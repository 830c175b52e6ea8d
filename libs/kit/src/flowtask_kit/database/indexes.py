"""Indexes that migrations build without holding up writers, outside of a transaction: in an `autocommit_block`."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

_WITHOUT = sa.text("""
    SELECT c.relname, coalesce(x.indisvalid, true) AS fine
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN pg_index x ON x.indexrelid = to_regclass(:schema || '.ix_' || c.relname || '_' || :name)
    WHERE i.inhparent = to_regclass(:schema || '.' || :table) AND NOT EXISTS (
        SELECT FROM pg_index has JOIN pg_inherits part ON part.inhrelid = has.indexrelid
        WHERE has.indrelid = c.oid AND part.inhparent = to_regclass(:schema || '.ix_' || :table || '_' || :name)
    )
    ORDER BY c.relname
""")
"""Partitions that have no part of an index, and whether what a run that broke off has left of it can be used."""


@contextmanager
def as_long_as_it_takes() -> Iterator[None]:
    """Statements outside of a transaction, without the limit to their time that migrations have."""
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        yield
        op.execute("SET statement_timeout = '60s'")


def build(schema: str, name: str, on: str) -> None:
    """An index, anew if there is one: a run that broke off leaves one that cannot be used. `on` is `table (columns)`, and its condition."""
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}")
    op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {schema}.{on}")


def build_by_partition(schema: str, table: str, name: str, columns: str) -> None:
    """`ix_<table>_<name>` of a partitioned table, one partition after another; a run that broke off is gone on with.

    A partition that is made meanwhile gets its part with the table.
    """
    whole = f"ix_{table}_{name}"
    op.execute(f"CREATE INDEX IF NOT EXISTS {whole} ON ONLY {schema}.{table} {columns}")
    wanted = {"schema": schema, "table": table, "name": name}
    for partition, fine in op.get_bind().execute(_WITHOUT, wanted).all():
        part = f"ix_{partition}_{name}"
        if not fine:
            op.execute(f"DROP INDEX CONCURRENTLY {schema}.{part}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {part} ON {schema}.{partition} {columns}")
        op.execute(f"ALTER INDEX {schema}.{whole} ATTACH PARTITION {schema}.{part}")
