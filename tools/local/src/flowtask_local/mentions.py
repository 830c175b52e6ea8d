"""Looking for a text in everything that a database holds: what was erased must stand nowhere."""

from collections.abc import Collection
from typing import Any

import asyncpg

_COLUMNS = """
    SELECT format('%I.%I', c.table_schema, c.table_name) AS name, quote_ident(c.column_name) AS col, c.data_type AS kind
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE t.table_type = 'BASE TABLE' AND c.table_schema = ANY($1)
        AND c.data_type IN ('text', 'character varying', 'character', 'json', 'jsonb', 'bytea', 'uuid', 'ARRAY')
    ORDER BY 1, 2
"""


async def mentions(
    connection: "asyncpg.Connection[Any]", text: str, schemas: Collection[str], *, besides: Collection[str] = ()
) -> dict[str, int]:
    """In how many rows each column of these schemas holds the text, in whatever case; `besides` are left out.

    Columns are named `schema.table.column`; bytes are searched as UTF-8.
    """
    found: dict[str, int] = {}
    for row in await connection.fetch(_COLUMNS, list(schemas)):
        place = f"{row['name']}.{row['col']}"
        if place in besides or row["name"] in besides:
            continue
        held = f"encode({row['col']}, 'escape')" if row["kind"] == "bytea" else f"{row['col']}::text"
        statement = f"SELECT count(*) FROM {row['name']} WHERE position(lower($1) IN lower({held})) > 0"  # noqa: S608 - names that the database quoted
        number = await connection.fetchval(statement, text)
        if number:
            found[place] = number
    return found
