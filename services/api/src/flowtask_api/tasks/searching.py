"""Which texts can be looked for: those that the trigram index can find.

`pg_trgm` takes the letters and digits of a text in threes, with blanks put where a word begins or ends. Two that stand together
make at least one such three in any text of three characters. A text without them would be looked for in every task, and a
single letter, where it makes one, in every task with a word that begins with it.
"""

import re

from sqlalchemy import String, bindparam, text

from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_kit.database.prepared import Prepared, Where

PATTERN = r"^[^\u0000]*[^\W_]{2}[^\u0000]*$"
"""What the description says of it: two letters or digits side by side, somewhere."""

NEEDED = "needs two letters or digits side by side"

_TWO = re.compile(r"[^\W_]{2}")
_KNOWN_EVERYWHERE = re.compile(r"[0-9A-Za-z]{2}")

KNOWN = Prepared(
    text("""
        SELECT EXISTS (
            SELECT FROM generate_series(1, length(:searched) - 1) AS place
            WHERE cardinality(extensions.show_trgm(substr(:searched, place, 1))) > 0
                AND cardinality(extensions.show_trgm(substr(:searched, place + 1, 1))) > 0
        ) AS known
    """).bindparams(bindparam("searched", type_=String()))
)
"""Whether the database takes two characters side by side for letters or digits; which ones it does depends on its LC_CTYPE."""


def with_two_side_by_side(value: str) -> str:
    """The text as it is; ValueError for one that cannot be looked for."""
    if not _TWO.search(value):
        raise ValueError(NEEDED)
    return value


async def require_known(where: Where, searched: str) -> None:
    """ValidationFailed where the database does not know the letters of a text; those of ASCII it always does."""
    if _KNOWN_EVERYWHERE.search(searched):
        return
    found = await KNOWN.first(where, {"searched": searched})
    if found is None or not found["known"]:
        raise ValidationFailed(details=[ErrorDetail(field="q", message=f"{NEEDED} that searches here know")])
