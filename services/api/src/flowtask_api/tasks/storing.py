"""The hot path: a write of a task and its events in one statement, on the driver."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import ARRAY, LargeBinary, String, Uuid, bindparam, text

from flowtask_contracts.events.tasks import TaskEvent
from flowtask_kit.database.direct import DirectTransaction
from flowtask_kit.database.prepared import Prepared
from flowtask_kit.outbox.models import Told

from ..database import Outbox
from .models import Task, TaskRecord

_COLUMNS = [column for column in Task.__table__.columns if column.server_default is None]
_FIXED = frozenset({"id", "workspace_id", "created_by", "created_at"})


def _with_events(write: str) -> Prepared:
    return Prepared(
        text(f"""
        WITH written AS ({write})
        INSERT INTO api.outbox (event_id, subject, headers, payload)
        SELECT event_id, subject, headers::jsonb, payload
        FROM unnest(:event_ids, :subjects, :headers, :payloads) WITH ORDINALITY
            AS told (event_id, subject, headers, payload, place)
        ORDER BY place
    """).bindparams(  # noqa: S608 - columns of the model
            *(bindparam(column.name, type_=column.type) for column in _COLUMNS if f":{column.name}" in write),
            bindparam("event_ids", type_=ARRAY(Uuid())),
            bindparam("subjects", type_=ARRAY(String())),
            bindparam("headers", type_=ARRAY(String())),
            bindparam("payloads", type_=ARRAY(LargeBinary())),
        )
    )


_INSERT = _with_events(
    f"INSERT INTO api.tasks ({', '.join(column.name for column in _COLUMNS)})"  # noqa: S608 - columns of the model
    f" VALUES ({', '.join(f':{column.name}' for column in _COLUMNS)})"
)
_UPDATE = _with_events(
    "UPDATE api.tasks SET "  # noqa: S608 - columns of the model
    + ", ".join(f"{column.name} = :{column.name}" for column in _COLUMNS if column.name not in _FIXED)
    + " WHERE id = :id"
)
_DELETE = _with_events("DELETE FROM api.tasks WHERE id = :id")


async def insert(tx: DirectTransaction, task: TaskRecord, events: Iterable[TaskEvent]) -> None:
    """Store a new task and its events, in their order."""
    await _write(_INSERT, tx, task, [Told.of(event, Outbox.source) for event in events])


async def update(tx: DirectTransaction, task: TaskRecord, events: Iterable[TaskEvent]) -> None:
    """Store what a task that is there has become."""
    await _write(_UPDATE, tx, task, [Told.of(event, Outbox.source) for event in events])


async def delete(tx: DirectTransaction, task: TaskRecord, event: TaskEvent) -> None:
    """Remove a task."""
    await _write(_DELETE, tx, task, [Told.of(event, Outbox.source)])


async def _write(statement: Prepared, tx: DirectTransaction, task: TaskRecord, rows: Sequence[Told]) -> None:
    values: dict[str, Any] = {column.name: getattr(task, column.name) for column in _COLUMNS}
    await statement.conclude(
        tx,
        {
            **values,
            "event_ids": [row.event_id for row in rows],
            "subjects": [row.subject for row in rows],
            "headers": [orjson.dumps(row.headers).decode() for row in rows],
            "payloads": [row.payload for row in rows],
        },
    )
    tx.wakes = True
