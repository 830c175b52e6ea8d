"""Indexes that migrations build beside writers, and what a run that broke off has left of them."""

import asyncio

import pytest
from notes.contracts import TOPOLOGY
from notes.world import PASSWORDS
from pydantic import SecretStr
from sqlalchemy import MetaData

from flowtask_kit.bootstrap.postgres import bootstrap_postgres
from flowtask_kit.database.migrations import MigrationSet

MIGRATION = """
from flowtask_kit.database import indexes

revision = "one"
down_revision = branch_labels = depends_on = None


def upgrade():
    with indexes.as_long_as_it_takes():
        indexes.build_by_partition("notes", "days", "number", "(number) WHERE number > 0")
        indexes.build("notes", "ix_plain_number", "plain (number) WHERE number > 0")
"""
DATABASE = "indexing"


@pytest.fixture
async def url(postgres_server):
    postgres_server.create_database(DATABASE)
    secrets = {name: SecretStr(password) for name, password in PASSWORDS.items()}
    await bootstrap_postgres(postgres_server.url(DATABASE), TOPOLOGY, secrets)
    yield postgres_server.url(DATABASE, user="flowtask_notes", password=PASSWORDS["notes"])
    postgres_server.drop_database(DATABASE)


@pytest.fixture
def sql(postgres_server):
    return lambda statement: postgres_server.sql(statement, database=DATABASE).strip()


@pytest.fixture
def migrations(tmp_path, monkeypatch):
    folder = tmp_path / "indexing_migrations" / "migrations"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "2026_01_01_0000_one.py").write_text(MIGRATION)
    monkeypatch.syspath_prepend(tmp_path)
    return MigrationSet(package="indexing_migrations", schema="notes", metadata=MetaData(schema="notes"))


async def test_what_a_run_that_broke_off_has_left_is_made_anew_and_gone_on_with(url, sql, migrations):
    sql("""
        SET ROLE flowtask_notes;
        CREATE TABLE notes.plain (number int);
        CREATE INDEX ix_plain_number ON notes.plain (number);
        CREATE TABLE notes.days (day int, number int) PARTITION BY LIST (day);
        CREATE TABLE notes.days_1 PARTITION OF notes.days FOR VALUES IN (1);
        CREATE TABLE notes.days_2 PARTITION OF notes.days FOR VALUES IN (2);
        CREATE TABLE notes.days_3 PARTITION OF notes.days FOR VALUES IN (3);
        CREATE INDEX ix_days_number ON ONLY notes.days (number) WHERE number > 0;
        CREATE INDEX ix_days_1_number ON notes.days_1 (number) WHERE number > 0;
        ALTER INDEX notes.ix_days_number ATTACH PARTITION notes.ix_days_1_number;
        CREATE INDEX ix_days_2_number ON notes.days_2 (number) WHERE number > 0;
        RESET ROLE;
        UPDATE pg_index SET indisvalid = false
        WHERE indexrelid IN ('notes.ix_days_2_number'::regclass, 'notes.ix_plain_number'::regclass);
    """)
    kept, broken = (sql(f"SELECT 'notes.ix_days_{day}_number'::regclass::oid") for day in (1, 2))

    await asyncio.to_thread(migrations.upgrade, url)

    assert sql("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0"
    assert (
        sql("""
        SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text)
        FROM pg_inherits WHERE inhparent = 'notes.ix_days_number'::regclass
    """)
        == "notes.ix_days_1_number notes.ix_days_2_number notes.ix_days_3_number"
    )
    assert sql("SELECT 'notes.ix_days_1_number'::regclass::oid") == kept
    assert sql("SELECT 'notes.ix_days_2_number'::regclass::oid") != broken
    assert "number > 0" in sql("SELECT pg_get_indexdef('notes.ix_plain_number'::regclass)")
    sql("CREATE TABLE notes.days_4 PARTITION OF notes.days FOR VALUES IN (4)")
    assert "(number > 0)" in sql("SELECT indexdef FROM pg_indexes WHERE tablename = 'days_4'")
