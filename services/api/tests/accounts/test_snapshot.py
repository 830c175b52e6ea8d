from uuid import UUID

import pytest

from flowtask_api.accounts import snapshot
from flowtask_contracts.commands import Snapshot
from flowtask_contracts.errors import ValidationFailed
from flowtask_kit.database.transaction import transaction

ONE = UUID(int=1)


@pytest.fixture
def page(app):
    """One page as the command's answer."""

    async def get(cursor=None, limit=500):
        async with transaction(app.state.resources.database, app.state.resources.wake) as tx:
            return await snapshot.page(tx, Snapshot(cursor=cursor, limit=limit))

    return get


@pytest.mark.parametrize("limit", [1, 2, 500])
async def test_the_pages_hold_everyone_every_tenant_and_every_place_once(page, make_account, make_member, db, limit):
    accounts = [await make_account() for _ in range(3)]
    await make_member("admin")
    users, workspaces, memberships = [], [], []
    cursor, pages = None, 0
    while cursor is not None or pages == 0:
        found = await page(cursor, limit)
        assert len(found.users) + len(found.workspaces) + len(found.memberships) <= limit
        users += found.users
        workspaces += found.workspaces
        memberships += found.memberships
        cursor, pages = found.next_cursor, pages + 1

    assert {user.id: (user.email, user.name, user.version) for user in users} == {
        row["id"]: (row["email"], row["name"], row["version"]) for row in await db.fetch("SELECT * FROM api.users")
    }
    assert {(each.id, each.name, each.personal, each.version) for each in workspaces} == {
        (row["id"], row["name"], row["personal"], row["version"])
        for row in await db.fetch("SELECT * FROM api.workspaces")
    }
    assert {(place.workspace_id, place.user_id, place.role.value, place.version) for place in memberships} == {
        (row["workspace_id"], row["user_id"], row["role"], row["version"])
        for row in await db.fetch("SELECT * FROM api.memberships")
    }
    for told in (users, workspaces, memberships):
        assert len(told) == len({str(one) for one in told}) >= len(accounts)


@pytest.mark.parametrize(
    "cursor",
    ["people", "users:1", f"users:{ONE}:{ONE}", f"memberships:{ONE}", "memberships:x:y", "users::"],
)
async def test_a_cursor_that_is_not_ours_is_refused(page, cursor):
    with pytest.raises(ValidationFailed):
        await page(cursor)


async def test_who_is_told_of_by_an_event_and_by_a_snapshot_has_the_same_version(page, account, db):
    (told,) = [user for user in (await page()).users if user.id == account.user_id]
    rows = await db.fetch("SELECT payload FROM api.outbox WHERE subject = 'internal.user.created'")
    assert any(f'"subject":"{account.user_id}"' in row["payload"].decode() for row in rows)
    assert (told.version, UUID(str(told.id))) == (1, account.user_id)
