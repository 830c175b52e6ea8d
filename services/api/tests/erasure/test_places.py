"""Every column that could hold a person or a workspace is one that somebody has thought about."""

from flowtask_api.erasure.places import AT_ONCE, NO_PERSON, OF_WORKSPACE, PSEUDONYMS

COULD = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'api' AND table_name <> 'alembic_version'
        AND (data_type = 'uuid' OR column_name ~ '(email|name|address|phone|actor|owner|user|workspace|_by$|about|clerk)')
"""


async def test_every_column_that_could_hold_a_person_or_a_workspace_is_named(db):
    there = {(row["table_name"], row["column_name"]) for row in await db.fetch(COULD)}
    of_workspace = {(place.table, place.column) for place in OF_WORKSPACE}
    named = [of_workspace, AT_ONCE.keys(), PSEUDONYMS.keys(), NO_PERSON]

    assert there == set().union(*named), "name it in erasure/places.py"
    assert sum(map(len, named)) == len(there), "named twice"


async def test_every_table_with_a_workspace_s_rows_is_erased(db):
    rows = await db.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'api' AND column_name = 'workspace_id'"
    )
    erased = {place.table for place in OF_WORKSPACE if place.column == "workspace_id"}
    assert {row["table_name"] for row in rows} == erased | {"erasures"}
