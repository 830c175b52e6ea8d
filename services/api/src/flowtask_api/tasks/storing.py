"""The hot path: a new task and its events in one statement, at a third of what the unit of work costs."""

from collections.abc import Sequence

import orjson
from sqlalchemy import ARRAY, LargeBinary, String, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.database.prepared import Prepared
from flowtask_kit.database.transaction import wake_after_commit

from ..database import Outbox
from .models import Task

_COLUMNS = [column for column in Task.__table__.columns if column.server_default is None]

_STORE = Prepared(
    text(f"""
    WITH task AS (
        INSERT INTO api.tasks ({", ".join(column.name for column in _COLUMNS)})
        VALUES ({", ".join(f":{column.name}" for column in _COLUMNS)})
    )
    INSERT INTO api.outbox (event_id, subject, headers, payload)
    SELECT event_id, subject, headers::jsonb, payload
    FROM unnest(:event_ids, :subjects, :headers, :payloads) WITH ORDINALITY
        AS told (event_id, subject, headers, payload, place)
    ORDER BY place
""").bindparams(  # noqa: S608 - the columns of the model
        *(bindparam(column.name, type_=column.type) for column in _COLUMNS),
        bindparam("event_ids", type_=ARRAY(Uuid())),
        bindparam("subjects", type_=ARRAY(String())),
        bindparam("headers", type_=ARRAY(String())),
        bindparam("payloads", type_=ARRAY(LargeBinary())),
    )
)


async def store(tx: AsyncSession, task: Task, rows: Sequence[Outbox]) -> None:
    """Insert a new task together with the outbox rows of its events, in their order."""
    values = {column.name: getattr(task, column.name) for column in _COLUMNS}
    await _STORE.execute(
        tx,
        {
            **values,
            "event_ids": [row.event_id for row in rows],
            "subjects": [row.subject for row in rows],
            "headers": [orjson.dumps(row.headers).decode() for row in rows],
            "payloads": [row.payload for row in rows],
        },
    )
    wake_after_commit(tx)
