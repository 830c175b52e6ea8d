import base64
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest

from flowtask_contracts.commands import CreateEndpoint, DeleteEndpoint, GetEndpoint, ListEndpoints, UpdateEndpoint
from flowtask_contracts.errors import Conflict, NotFound, ValidationFailed
from flowtask_kit.ids import new_id

URL = "https://example.com/hook"


@pytest.fixture
async def served(serve):
    """A dispatcher that allows what a public installation allows: https, and no private address."""
    return await serve(webhooks_allow_http=False, webhooks_allow_private_networks="", webhooks_max_endpoints=3)


@pytest.fixture
def endpoints(served, ask, subscribe, workspace):  # noqa: ARG001 - it answers
    async def get(endpoint_id, workspace_id=workspace):
        return await ask(GetEndpoint(workspace_id=workspace_id, endpoint_id=endpoint_id))

    async def change(endpoint_id, workspace_id=workspace, **fields):
        return await ask(
            UpdateEndpoint(workspace_id=workspace_id, command_id=new_id(), endpoint_id=endpoint_id, **fields)
        )

    async def delete(endpoint_id, workspace_id=workspace):
        return await ask(DeleteEndpoint(workspace_id=workspace_id, command_id=new_id(), endpoint_id=endpoint_id))

    async def page(**more):
        return await ask(ListEndpoints(workspace_id=workspace, **more))

    return SimpleNamespace(create=subscribe, get=get, change=change, delete=delete, page=page)


async def test_creating_shows_the_secret_and_nothing_afterwards_does(endpoints):
    made = await endpoints.create(URL, ["task.created"], description="mine")
    assert made.secret.startswith("whsec_")
    assert not made.secret_shown
    shown = await endpoints.get(made.id)
    assert shown.secret is None
    assert shown.secret_shown
    assert (shown.url, shown.events, shown.description, shown.active) == (URL, ("task.created",), "mine", True)
    assert (await endpoints.page()).items == (shown,)


async def test_a_repeated_create_makes_one_endpoint_and_says_that_its_secret_was_shown(endpoints, ask, workspace):
    command = CreateEndpoint(
        workspace_id=workspace, command_id=new_id(), created_by=uuid4(), url=URL, events=("*",), description="mine"
    )
    first, second = await ask(command), await ask(command)
    assert second == first.model_copy(update={"secret": None, "secret_shown": True})
    assert len((await endpoints.page()).items) == 1
    with pytest.raises(Conflict):
        await ask(command.model_copy(update={"url": f"{URL}/other"}))


async def test_no_table_holds_a_secret_in_a_form_that_can_be_read(endpoints, postgres_server, sql):
    made = await endpoints.create(URL)
    await endpoints.change(made.id, description="changed")
    decoded = base64.b64decode(made.secret.removeprefix("whsec_"))
    tables = await sql(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'webhooks'"
    )
    assert len(tables) > 10
    for table in tables:
        for row in await sql(f"SELECT t::text AS text FROM {table['name']} t"):  # noqa: S608 - quoted by the server
            assert made.secret not in row["text"]
            assert made.secret.removeprefix("whsec_") not in row["text"]
            assert decoded.hex() not in row["text"]
            assert made.secret.encode().hex() not in row["text"]
    assert not any(made.secret in line for line in postgres_server.log_lines)


BAD_URLS = (
    "http://example.com/",
    "ftp://example.com/",
    "https://user:secret@example.com/",
    "https://",
    "example.com",
    "https://exa mple.com/",
    "https://127.0.0.1/",
    "https://10.0.0.1/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://example.com:0/",
    "https://example.com/#part",
)


async def test_a_url_that_webhooks_may_not_go_to_is_refused_when_it_is_given(endpoints):
    kept = await endpoints.create(URL)
    for url in BAD_URLS:
        for attempt in (endpoints.create(url), endpoints.change(kept.id, url=url)):
            with pytest.raises(ValidationFailed) as refusal:
                await attempt
            assert [detail.field for detail in refusal.value.details] == ["url"]
    assert [item.url for item in (await endpoints.page()).items] == [URL]


async def test_event_types_that_do_not_exist_are_refused_one_by_one(endpoints):
    with pytest.raises(ValidationFailed) as refusal:
        await endpoints.create(URL, ["task.created", "task.exploded", "user.*"])
    messages = [detail.message for detail in refusal.value.details]
    assert len(messages) == 2
    assert messages[0].startswith("task.exploded is not an event type")
    assert messages[1].startswith("user.* is not an event type")


async def test_a_workspace_has_so_many_endpoints_and_no_more_and_a_deleted_one_does_not_count(endpoints):
    made = [await endpoints.create(URL) for _ in range(3)]
    with pytest.raises(Conflict, match="largest number"):
        await endpoints.create(URL)
    assert (await endpoints.create(URL, workspace_id=uuid4())).active
    await endpoints.delete(made[0].id)
    assert (await endpoints.create(URL)).active


async def test_an_update_changes_the_named_fields_and_leaves_the_others(endpoints):
    made = await endpoints.create(URL, ["task.created"], description="mine")
    changed = await endpoints.change(made.id, active=False)
    assert (changed.url, changed.events, changed.description, changed.active) == (URL, ("task.created",), "mine", False)
    changed = await endpoints.change(made.id, url=f"{URL}/2", events=("project.*",))
    assert (changed.url, changed.events, changed.description, changed.active) == (
        f"{URL}/2",
        ("project.*",),
        "mine",
        False,
    )
    assert changed.created_at == made.created_at
    assert changed.updated_at >= made.updated_at
    assert await endpoints.get(made.id) == changed


async def test_a_description_can_be_taken_away(endpoints):
    made = await endpoints.create(URL, description="mine")
    assert (await endpoints.change(made.id, description=None)).description is None
    assert (await endpoints.change(made.id, active=True)).description is None


async def test_the_endpoints_of_another_workspace_are_not_there(endpoints):
    made, stranger = await endpoints.create(URL), uuid4()
    for attempt in (
        endpoints.get(made.id, stranger),
        endpoints.change(made.id, stranger, active=False),
        endpoints.delete(made.id, stranger),
        endpoints.get(uuid4()),
    ):
        with pytest.raises(NotFound, match="Webhook not found"):
            await attempt
    assert (await endpoints.get(made.id)).active


async def test_a_deleted_endpoint_is_gone_and_its_secret_wiped(endpoints, sql):
    made = await endpoints.create(URL)
    await endpoints.delete(made.id)
    with pytest.raises(NotFound):
        await endpoints.get(made.id)
    with pytest.raises(NotFound):
        await endpoints.delete(made.id)
    assert (await endpoints.page()).items == ()
    [row] = await sql("SELECT secret, active, deleted_at FROM webhooks.endpoints")
    assert row["secret"] is None
    assert not row["active"]
    assert row["deleted_at"] <= datetime.now(UTC)


async def test_a_list_is_read_page_by_page_newest_first(endpoints):
    made = [(await endpoints.create(URL)).id for _ in range(3)]
    first = await endpoints.page(limit=2)
    second = await endpoints.page(limit=2, cursor=first.next_cursor)
    assert [item.id for item in first.items + second.items] == made[::-1]
    assert second.next_cursor is None
    assert (await endpoints.page(limit=3)).next_cursor is None


async def test_a_cursor_that_is_not_ours_is_refused(endpoints):
    with pytest.raises(ValidationFailed) as refusal:
        await endpoints.page(cursor="somewhere")
    assert [detail.field for detail in refusal.value.details] == ["cursor"]


async def test_every_write_has_a_revision_of_its_own(endpoints, sql):
    made = await endpoints.create(URL)
    await endpoints.create(URL)
    await endpoints.change(made.id, active=False)
    await endpoints.delete(made.id)
    assert (await sql("SELECT revision FROM webhooks.endpoint_revision"))[0]["revision"] == 4
    assert [row["revision"] for row in await sql("SELECT revision FROM webhooks.endpoints ORDER BY id")] == [4, 2]


async def test_a_page_of_large_endpoints_ends_early_and_the_cursor_goes_on(serve, subscribe, ask, workspace):
    await serve(webhooks_max_endpoints=20)
    notes = {f"{number:02}" + "n" * 38: "\U0001f642" * 500 for number in range(50)}
    made = [(await subscribe(URL, metadata=notes)).id for _ in range(13)]
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = await ask(ListEndpoints(workspace_id=workspace, limit=100, cursor=cursor))
        assert len(page.model_dump_json().encode()) < 512 * 1024
        seen += [item.id for item in page.items]
        cursor, pages = page.next_cursor, pages + 1
    assert seen == made[::-1]
    assert pages > 1
