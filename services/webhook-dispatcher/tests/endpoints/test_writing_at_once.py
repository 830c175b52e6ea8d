"""Many who write endpoints at the same time: nobody waits for another's transaction, and no reader misses a write."""

import asyncio
import random
from datetime import timedelta
from uuid import uuid4

import pytest

from flowtask_contracts.commands import CreateEndpoint, DeleteEndpoint, EndOverlap, RotateSecret, UpdateEndpoint
from flowtask_contracts.commands.webhooks import DisabledReason
from flowtask_contracts.errors import Conflict, NotFound
from flowtask_kit.database.engine import create_database
from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.deliveries.models import Failed
from flowtask_webhook_dispatcher.dispatch.journal import Journal
from flowtask_webhook_dispatcher.dispatch.work import Disabled, Tripped
from flowtask_webhook_dispatcher.endpoints import secrets, service
from flowtask_webhook_dispatcher.endpoints.breaker import CLOSED
from flowtask_webhook_dispatcher.endpoints.directory import Directory
from flowtask_webhook_dispatcher.endpoints.errors import TooManyEndpoints, WorkspaceIsErased
from flowtask_webhook_dispatcher.endpoints.rekeying import Rekeyed, renew
from flowtask_webhook_dispatcher.erasure import service as erasure
from flowtask_webhook_dispatcher.keyring import KeyRing

RING = KeyRing.parse("test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")
URL = "http://example.com/"


class Rules:
    """What `EndpointRules` says, without asking anybody about the URL."""

    keyring = RING
    most = 3


@pytest.fixture
async def begin(settings):
    """Transactions as the service opens them."""
    database = create_database(settings(), service="webhook-dispatcher")
    yield database.sessions.begin
    await database.close()


def creation(workspace_id, **more):
    named = {"workspace_id": workspace_id, "command_id": new_id(), "created_by": uuid4(), "url": URL, "events": ("*",)}
    return CreateEndpoint(**{**named, **more})


@pytest.fixture
def create(begin):
    async def make(workspace_id):
        async with begin() as tx:
            return await service.create(tx, Rules, creation(workspace_id), None)

    return make


@pytest.fixture
def change(begin):
    async def set_(workspace_id, endpoint_id, **more):
        command = UpdateEndpoint(workspace_id=workspace_id, command_id=new_id(), endpoint_id=endpoint_id, **more)
        async with begin() as tx:
            return await service.change(tx, Rules, command, None)

    return set_


@pytest.fixture
def somebody_waits(sql, until):
    """Wait until a transaction waits for another one's lock."""
    waiting = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND pid <> pg_backend_pid()"
    )
    return lambda: until(lambda: sql(waiting))


async def test_a_write_that_takes_its_time_holds_up_no_other_write(begin, create, change, workspace):
    there = await create(workspace)
    async with begin() as slow, begin() as slower:
        await service.create(slow, Rules, creation(uuid4()), None)
        await service.delete(slower, DeleteEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=there.id))
        async with asyncio.timeout(5):
            other = uuid4()
            made = await create(other)
            await change(other, made.id, active=False)


async def test_two_who_write_the_same_endpoint_do_so_one_after_the_other(
    begin, create, change, workspace, somebody_waits
):
    there = await create(workspace)
    async with begin() as first:
        command = UpdateEndpoint(
            workspace_id=workspace, command_id=new_id(), endpoint_id=there.id, description="first", rate_limit=5
        )
        await service.change(first, Rules, command, None)
        second = asyncio.create_task(change(workspace, there.id, description="second"))
        await somebody_waits()
    seen = await second
    assert (seen.description, seen.rate_limit) == ("second", 5)


async def test_of_many_creations_at_once_as_many_succeed_as_a_workspace_may_have(create, workspace):
    done = await asyncio.gather(*(create(workspace) for _ in range(12)), return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in done) == Rules.most
    assert {type(each) for each in done if isinstance(each, Exception)} == {TooManyEndpoints}


async def test_an_endpoint_that_is_being_made_while_its_workspace_is_erased_ends_with_it(
    begin, workspace, somebody_waits, rows_of
):
    async def erase():
        async with begin() as tx:
            await erasure.begin(tx, workspace)

    async with begin() as slow:
        await service.create(slow, Rules, creation(workspace), None)
        erasing = asyncio.create_task(erase())
        await somebody_waits()
    await erasing
    [row] = await rows_of("endpoints")
    assert row["deleted_at"] is not None
    assert row["secret"] is None


async def test_no_endpoint_is_made_after_its_workspace_began_to_be_erased(
    begin, create, workspace, somebody_waits, rows_of
):
    async with begin() as slow:
        await erasure.begin(slow, workspace)
        late = asyncio.create_task(create(workspace))
        await somebody_waits()
    with pytest.raises(WorkspaceIsErased):
        await late
    assert await rows_of("endpoints") == []


async def test_a_reader_never_misses_a_write_whoever_commits_first(begin, pool, sql):
    """Writers dawdle between their work and their commit, readers refresh all the time and share one directory."""
    directory, done = Directory(RING, allow_http=True), asyncio.Event()

    async def refresh():
        async with pool.acquire() as connection:
            await directory.refresh(connection)

    async def read():
        while not done.is_set():
            await refresh()

    async def write(writer):
        dawdle = random.Random(writer)  # noqa: S311 - spreads commits
        for _ in range(10):
            workspace_id = uuid4()
            async with begin() as tx:
                made = await service.create(tx, Rules, creation(workspace_id), None)
                await asyncio.sleep(dawdle.random() / 50)
            await refresh()
            assert [each.id for each in directory.matching(workspace_id, "task.created")] == [made.id]
            named = {"workspace_id": workspace_id, "endpoint_id": made.id}
            async with begin() as tx:
                await service.change(
                    tx, Rules, UpdateEndpoint(command_id=new_id(), events=("project.*",), **named), None
                )
                await asyncio.sleep(dawdle.random() / 50)
            await refresh()
            assert directory.matching(workspace_id, "task.created") == ()
            assert directory.matching(workspace_id, "project.created") != ()
            async with begin() as tx:
                await service.delete(tx, DeleteEndpoint(command_id=new_id(), **named))
                await asyncio.sleep(dawdle.random() / 50)
            await refresh()
            assert directory.get(made.id) is None

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.gather(*(write(number) for number in range(6)))
    done.set()
    await asyncio.gather(*readers)
    [row] = await sql("SELECT revision FROM webhooks.endpoint_revision")
    assert row["revision"] == 6 * 10 * 3


async def test_whoever_writes_endpoints_takes_their_locks_in_one_order(begin, create, change, pool, sql):
    """Owners, attempts, an erasure and `rotate-keys` at the same endpoints: nobody is ever the victim of a deadlock."""
    workspaces = [uuid4() for _ in range(4)]
    made = [(each, (await create(each)).id) for each in workspaces for _ in range(3)]
    journal = Journal(lease=timedelta(seconds=25), due=lambda _at: None)
    trip = CLOSED.after(Failed(timedelta(seconds=1)), utc_now())

    async def attempts(writer):
        order = random.Random(writer)  # noqa: S311 - the order of endpoints
        for turn in range(12):
            some = order.sample(made, 8)
            entries = [Tripped(endpoint, trip if turn % 2 else CLOSED, utc_now()) for _, endpoint in some[:6]]
            ends = [Disabled(endpoint, URL, DisabledReason.RECEIVER, utc_now()) for _, endpoint in some[6:]]
            await journal.write(pool, [*entries, *ends])

    async def owner(writer):
        order = random.Random(100 + writer)  # noqa: S311 - the order of endpoints
        for _ in range(12):
            workspace_id, endpoint = order.choice(made)
            named = {"workspace_id": workspace_id, "command_id": new_id(), "endpoint_id": endpoint}
            try:
                await change(workspace_id, endpoint, active=True)
                async with begin() as tx:
                    await secrets.rotate(tx, RING, RotateSecret(overlap_seconds=60, **named))
                async with begin() as tx:
                    await secrets.end_overlap(tx, EndOverlap(**{**named, "command_id": new_id()}))
            except (NotFound, Conflict):  # another owner was quicker, or its workspace is gone
                continue

    async def keys():
        for _ in range(6):
            async with begin() as tx:
                await renew(tx, RING, Rekeyed(), None)

    async def erase():
        async with begin() as tx:
            await erasure.begin(tx, workspaces[0])

    await asyncio.gather(*map(attempts, range(3)), *map(owner, range(4)), keys(), erase())
    await sql("SELECT pg_stat_clear_snapshot()")
    [row] = await sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert row["deadlocks"] == 0
