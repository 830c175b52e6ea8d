from flowtask_local.schemas import Schemas, _fingerprint
from flowtask_local.services import ServiceSpec

API = ServiceSpec("api", 0)


def test_a_schema_is_current_when_files_and_revision_are_those_of_last_time(tmp_path, postgres_server):
    postgres_server.create_database("schemas")
    kept = tmp_path / "schemas.json"

    def schemas():
        return Schemas(kept, postgres_server, "schemas")

    schemas().keep(API)
    assert not schemas().current(API), "there is no such schema yet"

    script = "CREATE SCHEMA api; CREATE TABLE api.alembic_version AS SELECT 'one' AS version_num"
    postgres_server.sql(script, database="schemas")
    assert not schemas().current(API), "nobody has noted it"
    schemas().keep(API)
    assert schemas().current(API)

    postgres_server.sql("UPDATE api.alembic_version SET version_num = 'two'", database="schemas")
    assert not schemas().current(API), "somebody has changed it"


def test_every_change_of_the_files_is_seen(tmp_path, monkeypatch):
    migrations = tmp_path / "some_package" / "migrations"
    migrations.mkdir(parents=True)
    (tmp_path / "some_package" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert _fingerprint("some_package") is None

    seen = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.py", "2")):
        (migrations / name).write_text(text)
        seen.add(_fingerprint("some_package"))
    (migrations / "a.py").rename(migrations / "c.py")
    seen.add(_fingerprint("some_package"))

    assert len(seen) == 4
    assert None not in seen
