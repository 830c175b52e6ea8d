"""The hot path: a new task and its events in one statement, on the driver."""

from uuid import UUID

import orjson
from sqlalchemy import ARRAY, LargeBinary, String, Uuid, bindparam, text

from flowtask_kit.database.direct import DirectTransaction
from flowtask_kit.database.prepared import Prepared
from flowtask_kit.ids import utc_now

from ..auth.models import Caller
from ..database import Outbox
from ..projects.errors import ProjectNotFound
from ..projects.models import Project
from . import queries
from .errors import AssigneeNotFound
from .models import Task
from .schemas import CreateTask

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


async def create_task(tx: DirectTransaction, caller: Caller, body: CreateTask) -> Task:
    """A new task, stored with its events."""
    fields = dict(body)
    project = await _project(tx, caller, fields.pop("project_id"))
    await _require_member(tx, caller, fields["assignee_id"])
    task = Task.new(fields, project, workspace_id=caller.workspace_id, by=caller.user_id, at=utc_now())
    rows = [Outbox.of(event) for event in task.created(actor=caller.actor)]
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
    tx.wakes = True
    return task


async def _project(tx: DirectTransaction, caller: Caller, project_id: UUID | None) -> Project | None:
    if project_id is None:
        return None
    held = await queries.HELD_PROJECT.first(tx, {"workspace_id": caller.workspace_id, "id": project_id})
    if held is None:
        raise ProjectNotFound
    return Project(id=held["id"], name=held["name"], version=held["version"])


async def _require_member(tx: DirectTransaction, caller: Caller, user_id: UUID | None) -> None:
    if user_id is None or user_id == caller.user_id:
        return
    if await queries.MEMBER.first(tx, {"workspace_id": caller.workspace_id, "id": user_id}) is None:
        raise AssigneeNotFound
