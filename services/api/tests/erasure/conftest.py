import asyncpg
import pytest

from flowtask_local.mentions import mentions


@pytest.fixture
def settings(settings):
    """What waits for something is looked at again soon."""
    return settings.model_copy(update={"deletion_poll_seconds": 0.1})


@pytest.fixture
def finished(db, until):
    """Wait until nothing is left to be erased. What is done but for latecomers has waited for them for a minute already."""

    async def none_left():
        await db.execute(
            "UPDATE api.erasures SET seen_at = seen_at - interval '1 minute', due_at = now()"
            " WHERE quiet AND due_at > now() + interval '1 second'"
        )
        return await db.fetchval("SELECT count(*) = 0 FROM api.erasures")

    async def wait():
        await until(none_left)

    return wait


@pytest.fixture
def found(db):
    """Where a text stands in the schema, but for events that nobody takes away here."""

    async def look(text) -> dict[str, int]:
        return await mentions(db, str(text), ["api"], besides={"api.outbox"})

    return look


@pytest.fixture
def fill(db):
    """Puts projects, one of them hidden, and tasks into a workspace."""

    async def put(workspace_id, user_id, tasks=50):
        for hidden in (False, True):
            await db.execute(
                "INSERT INTO api.projects (id, workspace_id, name, owner_id, version, created_at, updated_at, deleted_at)"
                " VALUES (gen_random_uuid(), $1, 'P', $2, 1, now(), now(), CASE WHEN $3 THEN now() END)",
                workspace_id,
                user_id,
                hidden,
            )
        await db.execute(
            "INSERT INTO api.tasks (id, workspace_id, title, status, priority, project_id, version, created_by,"
            " assignee_id, created_at, updated_at) SELECT gen_random_uuid(), $1, 'T', 'TODO', 'LOW',"
            " (SELECT id FROM api.projects WHERE workspace_id = $1 AND deleted_at IS NULL LIMIT 1), 1, $2, $2, now(),"
            " now() FROM generate_series(1, $3)",
            workspace_id,
            user_id,
            tasks,
        )

    return put


@pytest.fixture
async def connect():
    """Connections that end with the test."""
    made = []

    async def open_one(url) -> asyncpg.Connection:
        made.append(await asyncpg.connect(url))
        return made[-1]

    yield open_one
    for connection in made:
        await connection.close()
