import asyncio
from uuid import uuid4

import orjson
import pytest

from flowtask_kit.ids import new_id
from flowtask_webhook_dispatcher.endpoints.directory import Directory
from flowtask_webhook_dispatcher.keyring import KeyRing, new_secret

RING = KeyRing.parse("test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")


@pytest.fixture
def directory():
    return Directory(RING, allow_http=True)


@pytest.fixture
def refresh(pool, directory):
    async def run():
        async with pool.acquire() as connection:
            await directory.refresh(connection)

    return run


@pytest.fixture
def write(pool):
    """Write an endpoint as the service does: the revision first, its lock held to the commit."""

    async def make(workspace, *, url="http://example.com/", events=("*",), secret=None, active=True, pause=0.0):
        endpoint = new_id()
        stored = RING.encrypt(endpoint, new_secret()) if secret is None else secret
        async with pool.acquire() as connection, connection.transaction():
            revision = await connection.fetchval(
                "UPDATE webhooks.endpoint_revision SET revision = revision + 1 RETURNING revision"
            )
            await asyncio.sleep(pause)
            await connection.execute(
                "INSERT INTO webhooks.endpoints"
                " (id, workspace_id, url, events, active, secret, created_by, created_at, updated_at, revision)"
                " VALUES ($1, $2, $3, $4, $5, $6, $1, now(), now(), $7)",
                endpoint,
                workspace,
                url,
                orjson.dumps(events).decode(),
                active,
                stored,
                revision,
            )
            await connection.execute("INSERT INTO webhooks.endpoint_state (endpoint_id) VALUES ($1)", endpoint)
        return endpoint

    return make


async def change(pool, endpoint, what):
    async with pool.acquire() as connection, connection.transaction():
        revision = await connection.fetchval(
            "UPDATE webhooks.endpoint_revision SET revision = revision + 1 RETURNING revision"
        )
        statement = f"UPDATE webhooks.endpoints SET {what}, revision = $2 WHERE id = $1"  # noqa: S608 - the test's own
        await connection.execute(statement, endpoint, revision)


def ids(receivers):
    return {receiver.id for receiver in receivers}


async def test_it_knows_who_of_a_workspace_wants_an_event(directory, refresh, write, workspace):
    everything = await write(workspace)
    tasks = await write(workspace, events=("task.*",))
    await write(workspace, active=False)
    await write(uuid4())
    await refresh()
    assert ids(directory.matching(workspace, "task.created")) == {everything, tasks}
    assert ids(directory.matching(workspace, "project.created")) == {everything}
    assert directory.matching(uuid4(), "task.created") == ()


async def test_changes_and_deletions_are_seen_at_the_next_refresh(directory, refresh, write, workspace, pool):
    endpoint = await write(workspace, events=("task.*",))
    await refresh()
    assert ids(directory.matching(workspace, "task.created")) == {endpoint}
    await change(pool, endpoint, "events = '[\"project.*\"]'")
    await refresh()
    assert directory.matching(workspace, "task.created") == ()
    assert ids(directory.matching(workspace, "project.created")) == {endpoint}
    await change(pool, endpoint, "deleted_at = now(), secret = NULL")
    await refresh()
    assert directory.get(endpoint) is None
    assert directory.matching(workspace, "project.created") == ()


async def test_an_endpoint_committed_before_a_refresh_is_always_seen(directory, refresh, write, pool):
    """Writers take the revision early and commit late, readers refresh all the time and share one directory."""
    done = asyncio.Event()

    async def read():
        while not done.is_set():
            await refresh()

    async def write_and_look(number):
        for turn in range(12):
            workspace = uuid4()
            endpoint = await write(workspace, pause=0.001 * (number + turn % 3))
            await refresh()
            assert ids(directory.matching(workspace, "task.created")) == {endpoint}
            await change(pool, endpoint, "active = false")
            await refresh()
            assert directory.matching(workspace, "task.created") == ()

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.gather(*(write_and_look(number) for number in range(4)))
    done.set()
    await asyncio.gather(*readers)


async def test_an_endpoint_whose_secret_cannot_be_read_does_not_hide_the_others(directory, refresh, write, workspace):
    broken = [
        await write(workspace, secret=stored) for stored in (b"", b"\x04test", b"\x04othe" + bytes(40), bytes(60))
    ]
    sealed = new_id()
    broken.append(await write(workspace, secret=RING.encrypt(sealed, new_secret())))
    whole = await write(workspace)
    await refresh()
    assert directory.get(whole).key is not None
    assert [directory.get(each).key for each in broken] == [None] * 5


async def test_an_endpoint_whose_url_is_no_longer_allowed_has_no_target(pool, write, workspace):
    strict = Directory(RING, allow_http=False)
    plain, secure = await write(workspace), await write(workspace, url="https://example.com/")
    async with pool.acquire() as connection:
        await strict.refresh(connection)
    assert strict.get(plain).target is None
    assert strict.get(secure).target.host == "example.com"
