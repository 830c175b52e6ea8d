import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest
from structlog.testing import capture_logs

from flowtask_kit.ids import new_id
from flowtask_webhook_dispatcher.endpoints.directory import Directory
from flowtask_webhook_dispatcher.keyring import KeyRing, new_secret
from flowtask_webhook_dispatcher.signing import SigningKey

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
    """Write an endpoint; as with the service the lock of the revision is held to the commit, only for longer."""

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


async def test_of_what_cannot_be_read_it_is_said_once_how_much_under_which_keys(
    directory, refresh, write, workspace, pool
):
    lost = [await write(workspace, secret=b"\x04gone" + bytes(40)) for _ in range(12)]
    await write(workspace)
    with capture_logs() as logged:
        await refresh()
    assert directory.unreadable == dict.fromkeys(lost, "gone")
    [line] = [each for each in logged if "no key of the ring" in each["event"]]
    assert (line["log_level"], line["endpoints"], line["missing_keys"]) == ("error", 12, ["gone"])
    assert line["keys_of_the_ring"] == ["test"]
    assert len(line["endpoint_ids"]) == 10

    await change(pool, lost[0], "deleted_at = now(), secret = NULL")
    async with pool.acquire() as connection:
        sealed = RING.encrypt(lost[1], new_secret())
        await connection.execute("UPDATE webhooks.endpoints SET secret = $2 WHERE id = $1", lost[1], sealed)
    await change(pool, lost[1], "active = true")
    with capture_logs() as logged:
        await refresh()
    assert directory.unreadable.keys() == set(lost[2:])
    assert directory.get(lost[1]).key is not None
    assert logged == []


async def test_while_a_secret_is_changed_a_receiver_has_both_and_neither_if_one_cannot_be_read(
    directory, refresh, write, workspace, pool
):
    endpoint, broken, usual = [await write(workspace) for _ in range(3)]
    following = new_secret()
    for each, stored in ((endpoint, RING.encrypt(endpoint, following)), (broken, b"\x04gone" + bytes(40))):
        async with pool.acquire() as connection:
            await connection.execute(
                "UPDATE webhooks.endpoints SET next_secret = $2, next_alone_at = '2030-01-01' WHERE id = $1",
                each,
                stored,
            )
    await refresh()
    key = directory.get(endpoint).key
    assert key.successor == SigningKey.of(following)
    assert key.alone_at == datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    assert directory.get(broken).key is None
    assert directory.unreadable == {broken: "gone"}
    assert directory.get(usual).key.successor is None


async def test_filters_are_looked_for_only_where_an_endpoint_has_one(directory, refresh, write, workspace, pool):
    endpoint, other = await write(workspace), await write(workspace)
    await write(uuid4())
    await refresh()
    assert not directory.filters(workspace)
    form = orjson.dumps({"path": "data.a", "eq": 1}).decode()
    for each in (endpoint, other):
        await change(pool, each, f"filter = '{form}'")
    await refresh()
    assert directory.filters(workspace)
    assert directory.get(endpoint).filter({"data": {"a": 1}})
    assert not directory.get(endpoint).filter({"data": {"a": 2}})
    await change(pool, endpoint, "filter = NULL")
    await refresh()
    assert directory.filters(workspace)
    assert directory.get(endpoint).filter is None
    await change(pool, other, "deleted_at = now()")
    await refresh()
    assert not directory.filters(workspace)


async def test_headers_that_no_key_opens_hold_up_their_endpoint_until_they_can_be_read(
    directory, refresh, write, workspace, pool
):
    endpoint, other = await write(workspace), await write(workspace)
    pairs = orjson.dumps([["Authorization", "x"]]).decode()
    sealed = RING.encrypt(endpoint, pairs, "headers")
    for stored in (
        RING.encrypt(other, pairs, "headers"),
        RING.encrypt(endpoint, pairs),
    ):  # another's, and not as headers
        await change(pool, endpoint, f"headers = '\\x{stored.hex()}'")
        await refresh()
        assert directory.get(endpoint).key is None
        assert directory.unreadable.keys() == {endpoint}
    await change(pool, endpoint, f"headers = '\\x{sealed.hex()}'")
    await refresh()
    assert directory.get(endpoint).key is not None
    assert directory.get(endpoint).headers.sent == ((b"Authorization", b"x"),)
    assert not directory.unreadable
