"""What a search is found by: keys that PostgreSQL makes of the threes of letters in a text, each mixed with its workspace.

`pg_trgm` takes the letters and digits of a text in threes, with blanks put where a word begins or ends. Two that stand together
make at least one such three in any text of three characters; a text without them would be looked for in every task. A key holds the
workspace as well, so that the index has a list for each three of each workspace, and no list of all that a workspace has.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import String, Uuid, bindparam, text

from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_kit.database.prepared import Prepared, Where

PATTERN = r"^[^\u0000]*[^\W_]{2}[^\u0000]*$"
"""What the description says of it: two letters or digits side by side, somewhere."""

NEEDED = "needs two letters or digits side by side"

_COMMON = 0.05
"""Keys that more of all tasks have are not looked up: to walk along a list is shorter."""

_TWO = re.compile(r"[^\W_]{2}")

_KEYS = Prepared(
    text("""
        WITH parts AS (
            SELECT unnest(extensions.show_trgm('a' || lower(:searched) || 'a'))
            INTERSECT SELECT unnest(extensions.show_trgm('a' || lower(:searched) || 'b'))
            INTERSECT SELECT unnest(extensions.show_trgm('b' || lower(:searched) || 'a'))
            INTERSECT SELECT unnest(extensions.show_trgm('b' || lower(:searched) || 'b'))
        ), keys AS (
            SELECT hashtextextended(part, uuid_hash_extended(:workspace_id, 0)) AS key FROM parts AS each (part)
        ), counted AS (
            SELECT unnest(most_common_elems::text::bigint[]) AS key, unnest(most_common_elem_freqs) AS share
            FROM pg_stats WHERE schemaname = 'api' AND tablename = 'ix_tasks_search_keys'
        )
        SELECT key, share FROM keys LEFT JOIN counted USING (key) ORDER BY share NULLS FIRST, key LIMIT 4
    """).bindparams(bindparam("searched", type_=String()), bindparam("workspace_id", type_=Uuid()))
)
"""The rarest keys of a text, and the share of all tasks that has each, as far as ANALYZE has counted it.

What stands around the text in a task is not known: of its threes count those that are there whatever does. `api.search_keys`
makes the keys of tasks in the same way.
"""


@dataclass(frozen=True, slots=True)
class Keys:
    """By which keys a text is found: its rarest, none where all are common. `rare`: one of them was too rare to be counted."""

    values: tuple[int, ...]
    rare: bool


def with_two_side_by_side(value: str) -> str:
    """The text as it is; ValueError for one that cannot be looked for."""
    if not _TWO.search(value):
        raise ValueError(NEEDED)
    return value


async def keys_of(where: Where, workspace_id: UUID, searched: str) -> Keys:
    """The keys to look for; ValidationFailed where the database takes none of the text for letters, as its LC_CTYPE may."""
    found = await _KEYS.all(where, {"workspace_id": workspace_id, "searched": searched})
    if not found:
        raise ValidationFailed(details=[ErrorDetail(field="q", message=f"{NEEDED} that searches here know")])
    shares = [row["share"] or 0.0 for row in found]
    seldom = tuple(row["key"] for row, share in zip(found, shares, strict=True) if share < _COMMON)
    return Keys(seldom, rare=not shares[0])
