"""An event that breaks its schema takes its write with it."""

import pytest

from flowtask_api.tasks import storing
from flowtask_api.tasks.models import TaskRecord
from flowtask_contracts.events import TaskUpdated
from flowtask_contracts.events.schemas import BrokenEvent
from flowtask_contracts.resources import TaskPriority, TaskStatus
from flowtask_kit.ids import utc_now


@pytest.fixture
def task(account):
    fields = {"title": "T", "description": None, "status": TaskStatus.TODO, "priority": TaskPriority.LOW}
    fields |= {"due_date": None, "assignee_id": None}
    return TaskRecord.new(fields, None, workspace_id=account.workspace_id, by=account.user_id, at=utc_now())


async def test_on_the_driver_nothing_is_stored(app, account, task, outbox, db):
    resources = app.state.resources
    events = task.created(actor=f"user:{account.user_id}")
    broken = TaskUpdated(**{**dict(events[0]), "changes": None})
    with pytest.raises(BrokenEvent, match=r"task.updated: changes"):
        async with resources.direct.transaction(resources.wake) as tx:
            await storing.insert(tx, task, [*events, broken])
    assert await outbox(account.workspace_id) == []
    assert await db.fetchval("SELECT count(*) FROM api.tasks WHERE id = $1", task.id) == 0
