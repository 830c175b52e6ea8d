from datetime import timedelta
from uuid import uuid4

from flowtask_contracts.commands.api import KnownMembership, KnownUser, KnownWorkspace, SnapshotPage
from flowtask_contracts.errors import ValidationFailed
from flowtask_contracts.resources import Role
from flowtask_contracts.topology import MAILER_PEOPLE
from flowtask_kit.ids import utc_now
from flowtask_local.service_world import until


def user(user_id, *, email="ada@example.com", version=1):
    return KnownUser(id=user_id, email=email, name="Ada", created_at=utc_now(), version=version)


def pages(*several):
    """Pages by the cursor that asks for them: the first without one."""
    cursors = [None, *(f"page:{number}" for number in range(1, len(several)))]
    after = [*cursors[1:], None]
    return {
        cursor: page.model_copy(update={"next_cursor": following})
        for cursor, following, page in zip(cursors, after, several, strict=True)
    }


def page(**what):
    return SnapshotPage(**what, next_cursor=None)


async def filled(world):
    async def is_filled():
        rows = await world.rows("SELECT filled_at FROM mailer.projections WHERE filled_at IS NOT NULL")
        return rows or None

    return await until(is_filled)


async def addresses(world):
    rows = await world.rows("SELECT user_id, email FROM mailer.recipients")
    return {row["user_id"]: row["email"] for row in rows}


async def test_people_tenants_and_places_are_kept_as_they_are_heard_of_and_older_news_changes_nothing(
    world, make, workspace
):
    await world.serve()
    ada = uuid4()
    await world.publish(make.user(ada, email="new@example.com", version=3))
    await world.publish(make.user(ada, email="old@example.com", version=2))
    await world.publish(make.user(ada, email="same@example.com", version=3))
    await world.publish(make.workspace(workspace, name="Navy"))
    await world.publish(make.membership(workspace, ada, role=Role.ADMIN))
    await world.settled(MAILER_PEOPLE)

    assert await addresses(world) == {ada: "new@example.com"}
    (place,) = await world.rows("SELECT workspace_id, user_id, role FROM mailer.memberships")
    assert tuple(place) == (workspace, ada, "admin")
    (tenant,) = await world.rows("SELECT name FROM mailer.workspaces")
    assert tenant["name"] == "Navy"


async def test_a_new_projection_is_filled_from_the_snapshot_page_by_page_once(world, api, workspace):
    users = [user(uuid4(), email=f"u{number}@example.com") for number in range(3)]
    tenant = KnownWorkspace(id=workspace, name="Navy", personal=False, created_at=utc_now(), version=1)
    place = KnownMembership(workspace_id=workspace, user_id=users[0].id, role=Role.OWNER, version=1)
    api.pages = pages(
        page(users=users[:2]), page(users=users[2:]), page(workspaces=[tenant]), page(memberships=[place])
    )
    await api.begin()
    await world.serve()
    await filled(world)

    assert await addresses(world) == {one.id: one.email for one in users}
    assert len(await world.rows("SELECT 1 FROM mailer.workspaces")) == 1
    assert len(await world.rows("SELECT 1 FROM mailer.memberships")) == 1
    assert [asked.cursor for asked in api.asked] == [None, "page:1", "page:2", "page:3"]
    await world.serve()  # another replica finds it filled
    await world.settled(MAILER_PEOPLE)
    assert len(api.asked) == 4


async def test_the_filling_waits_for_the_api_and_goes_on_where_it_stopped(world, api):
    first, second = user(uuid4(), email="a@example.com"), user(uuid4(), email="b@example.com")
    await world.rows("INSERT INTO mailer.projections VALUES ('recipients', 'page:1', NULL)")
    await world.serve()  # nobody answers yet
    api.pages = pages(page(users=[first]), page(users=[second]))
    await api.begin()
    await filled(world)
    assert await addresses(world) == {second.id: "b@example.com"}
    assert {asked.cursor for asked in api.asked} == {"page:1"}


async def test_a_cursor_that_the_owner_no_longer_knows_begins_anew(world, api):
    ada = user(uuid4())
    await world.rows("INSERT INTO mailer.projections VALUES ('recipients', 'of the version before', NULL)")
    api.pages = pages(page(users=[ada]))
    api.refusal = ValidationFailed()
    await api.begin()
    await world.serve()
    await filled(world)
    assert await addresses(world) == {ada.id: ada.email}


async def test_a_snapshot_never_overwrites_what_is_newer(world, api):
    ada = uuid4()
    await world.rows("INSERT INTO mailer.recipients VALUES ($1, 'new@example.com', 'Ada', 5)", ada)
    api.pages = pages(page(users=[user(ada, email="old@example.com", version=4)]))
    await api.begin()
    await world.serve()
    await filled(world)
    assert await addresses(world) == {ada: "new@example.com"}


async def test_a_lost_projection_is_filled_anew_when_somebody_is_missed_but_not_again_and_again(
    world, make, api, workspace, sent
):
    ada = user(uuid4())
    api.pages = pages(page(users=[ada]))
    await api.begin()
    long_ago = utc_now() - timedelta(hours=1)
    await world.rows("INSERT INTO mailer.projections VALUES ('recipients', NULL, $1)", long_ago)
    await world.serve(mail_poll_seconds=0.05)

    await world.publish(make.assigned(workspace, ada.id))
    (shown,) = await sent()
    assert (shown.to, shown.attempts) == (ada.email, 1)
    assert len(api.asked) == 1

    await world.publish(make.assigned(workspace, uuid4()))  # whom the api does not know either
    await world.publish(make.assigned(workspace, ada.id))
    assert len(await sent(2)) == 2
    await until(lambda: world.rows("SELECT 1 FROM mailer.emails WHERE status = 'queued' AND due_at > created_at"))
    assert len(api.asked) == 1
