"""Showing, changing and forgetting the secrets of endpoints, by command against a real database."""

import asyncio
import base64
import secrets as random
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from flowtask_contracts.commands import (
    CreateEndpoint,
    DeleteEndpoint,
    EndOverlap,
    GetEndpoint,
    GetEndpointSecret,
    RotateSecret,
)
from flowtask_contracts.errors import Conflict, NotFound, ServiceUnavailable, ValidationFailed
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.endpoints.jobs import WIPING
from flowtask_webhook_dispatcher.endpoints.models import Endpoint
from flowtask_webhook_dispatcher.erasure.service import begin
from flowtask_webhook_dispatcher.keyring import KeyRing

URL = "https://example.com/hook"
RING = KeyRing.parse("test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")
FOREIGN = KeyRing.parse("gone:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")


def own_secret(length=32):
    return "whsec_" + base64.b64encode(random.token_bytes(length)).decode()


@pytest.fixture
async def served(serve):
    return await serve()


@pytest.fixture
def secret_of(served, ask, workspace):  # noqa: ARG001 - it answers
    """What the commands on secrets do to an endpoint."""

    def asking(kind, endpoint, **more):
        changing = {"command_id": new_id()} if kind.changes else {}
        return ask(kind(**{"workspace_id": workspace, "endpoint_id": endpoint.id, **changing, **more}))

    async def show(endpoint, **more):
        return await asking(GetEndpointSecret, endpoint, **more)

    async def rotate(endpoint, **more):
        return await asking(RotateSecret, endpoint, **more)

    async def end(endpoint, **more):
        return await asking(EndOverlap, endpoint, **more)

    async def seen(endpoint):
        return await asking(GetEndpoint, endpoint)

    return SimpleNamespace(show=show, rotate=rotate, end=end, seen=seen)


@pytest.fixture
def columns(sql):
    """The secrets of the one endpoint, as they are stored, and the revision of its last write."""

    async def read():
        [row] = await sql("SELECT secret, next_secret, next_alone_at, revision, updated_at FROM webhooks.endpoints")
        return row

    return read


async def test_the_secret_of_an_endpoint_is_shown_again(subscribe, secret_of):
    made = await subscribe(URL)
    shown = await secret_of.show(made)
    assert (shown.secret, shown.previous_secret_until, shown.secret_shown) == (made.secret, None, False)


async def test_a_rotation_makes_a_new_secret_and_keeps_the_old_one_for_a_day(subscribe, secret_of, columns):
    made = await subscribe(URL)
    before = await columns()
    rotated = await secret_of.rotate(made)
    assert rotated.secret != made.secret
    assert timedelta(hours=23, minutes=59) < rotated.previous_secret_until - utc_now() <= timedelta(days=1)
    assert await secret_of.show(made) == rotated
    seen = await secret_of.seen(made)
    assert (seen.previous_secret_until, seen.secret) == (rotated.previous_secret_until, None)
    after = await columns()
    assert RING.decrypt(made.id, after["secret"]) == made.secret
    assert RING.decrypt(made.id, after["next_secret"]) == rotated.secret
    assert after["revision"] > before["revision"]
    assert after["updated_at"] > before["updated_at"]


async def test_an_overlap_can_be_of_any_length_and_of_none(subscribe, secret_of, columns):
    made = await subscribe(URL)
    at_once = await secret_of.rotate(made, overlap_seconds=0)
    assert at_once.previous_secret_until is None
    stored = await columns()
    assert RING.decrypt(made.id, stored["secret"]) == at_once.secret
    assert (stored["next_secret"], stored["next_alone_at"]) == (None, None)
    week = await secret_of.rotate(made, overlap_seconds=7 * 86_400)
    assert timedelta(days=6, hours=23) < week.previous_secret_until - utc_now() <= timedelta(days=7)


async def test_people_choose_their_own_secret_when_they_create_or_rotate(subscribe, secret_of):
    first, second = own_secret(24), own_secret(64)
    made = await subscribe(URL, secret=first)
    assert made.secret == first
    assert (await secret_of.show(made)).secret == first
    assert (await secret_of.rotate(made, secret=second)).secret == second
    assert (await secret_of.show(made)).secret == second


async def test_the_secret_that_there_is_is_no_new_one(subscribe, secret_of):
    made = await subscribe(URL)
    for overlap in (0, 60):
        with pytest.raises(ValidationFailed) as refusal:
            await secret_of.rotate(made, secret=made.secret, overlap_seconds=overlap)
        assert [detail.field for detail in refusal.value.details] == ["secret"]
        assert made.secret not in str(refusal.value.body)


async def test_a_change_of_mind_takes_the_old_secret_back(subscribe, secret_of):
    made = await subscribe(URL)
    await secret_of.rotate(made)
    back = await secret_of.rotate(made, secret=made.secret, overlap_seconds=0)
    assert (await secret_of.show(made)) == back
    assert (back.secret, back.previous_secret_until) == (made.secret, None)


async def test_during_an_overlap_there_is_no_third_secret_until_it_is_ended(subscribe, secret_of, columns):
    made = await subscribe(URL)
    rotated = await secret_of.rotate(made)
    before = await columns()
    with pytest.raises(Conflict, match=r"DELETE /webhooks/\{webhookId}/secret/previous"):
        await secret_of.rotate(made)
    assert await columns() == before
    await secret_of.end(made)
    ended = await columns()
    assert RING.decrypt(made.id, ended["secret"]) == rotated.secret
    assert (ended["next_secret"], ended["next_alone_at"]) == (None, None)
    assert ended["revision"] > before["revision"]
    with pytest.raises(NotFound, match="No previous secret"):
        await secret_of.end(made)
    assert (await secret_of.rotate(made)).previous_secret_until is not None
    assert (await secret_of.rotate(made, overlap_seconds=0)).previous_secret_until is None


async def test_an_overlap_that_is_over_leaves_room_for_the_next(subscribe, secret_of, until, columns):
    made = await subscribe(URL)
    second = await secret_of.rotate(made, overlap_seconds=1)

    async def over():
        return (await secret_of.seen(made)).previous_secret_until is None

    await until(over)
    assert (await secret_of.show(made)).secret == second.secret
    with pytest.raises(NotFound):
        await secret_of.end(made)
    third = await secret_of.rotate(made)
    stored = await columns()
    opened = [RING.decrypt(made.id, stored[name]) for name in ("secret", "next_secret")]
    assert opened == [second.secret, third.secret]


async def test_of_many_rotations_at_once_one_takes_effect(subscribe, secret_of):
    made = await subscribe(URL)
    done = await asyncio.gather(*(secret_of.rotate(made) for _ in range(10)), return_exceptions=True)
    [taken] = [each for each in done if not isinstance(each, Exception)]
    assert {type(each) for each in done if each is not taken} == {Conflict}
    assert await secret_of.show(made) == taken


async def test_a_repeat_is_answered_without_the_secret_and_another_request_is_refused(subscribe, secret_of, columns):
    made, command = await subscribe(URL), new_id()
    own = own_secret()
    first = await secret_of.rotate(made, command_id=command, secret=own)
    before = await columns()
    second = await secret_of.rotate(made, command_id=command, secret=own)
    assert second == first.model_copy(update={"secret": None, "secret_shown": True})
    assert await columns() == before
    for other in ({}, {"secret": own_secret()}, {"secret": own, "overlap_seconds": 1}):
        with pytest.raises(Conflict, match="Idempotency-Key"):
            await secret_of.rotate(made, command_id=command, **other)
    ending = new_id()
    assert await secret_of.end(made, command_id=ending) == await secret_of.end(made, command_id=ending)


async def test_secrets_are_their_workspaces_alone_and_a_deleted_endpoint_has_none(
    subscribe, secret_of, ask, workspace, columns
):
    made = await subscribe(URL)
    await secret_of.rotate(made)
    for act in (secret_of.show, secret_of.rotate, secret_of.end):
        with pytest.raises(NotFound, match="Webhook not found"):
            await act(made, workspace_id=uuid4())
    await ask(DeleteEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=made.id))
    for act in (secret_of.show, secret_of.rotate, secret_of.end):
        with pytest.raises(NotFound, match="Webhook not found"):
            await act(made)
    stored = await columns()
    assert (stored["secret"], stored["next_secret"], stored["next_alone_at"]) == (None, None, None)


async def test_no_secret_is_in_a_table_or_a_log_in_a_form_that_can_be_read(subscribe, secret_of, postgres_server, sql):
    own, command = own_secret(), new_id()
    with capture_logs() as logged:
        made = await subscribe(URL, secret=own_secret())
        for _ in range(2):
            await secret_of.rotate(made, secret=own, command_id=command)
        with pytest.raises(Conflict):
            await secret_of.rotate(made, secret=own_secret())
        last = await secret_of.rotate(made, overlap_seconds=0)
        shown = {made.secret, own, last.secret, (await secret_of.show(made)).secret}
    assert len(shown) == 3
    tables = await sql(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'webhooks'"
    )
    said = "".join([*map(str, logged), *postgres_server.log_lines])
    for table in tables:
        for row in await sql(f"SELECT t::text AS text FROM {table['name']} t"):  # noqa: S608 - quoted by the server
            said += row["text"]
    assert str(made.id) in said
    for secret in shown:
        core = secret.removeprefix("whsec_")
        for form in (core, base64.b64decode(core).hex(), secret.encode().hex()):
            assert form not in said


async def test_a_secret_that_no_key_opens_can_be_replaced_at_once_and_nothing_else(
    served, subscribe, secret_of, sql, columns
):
    made = await subscribe(URL)
    lost = FOREIGN.encrypt(made.id, made.secret)
    await sql("UPDATE webhooks.endpoints SET secret = $1", lost)
    for act in (secret_of.show, secret_of.rotate):
        with pytest.raises(ServiceUnavailable, match="overlapSeconds 0"):
            await act(made)
    assert (await columns())["secret"] == lost
    mended = await secret_of.rotate(made, overlap_seconds=0)
    assert (await secret_of.show(made)).secret == mended.secret
    assert (await secret_of.rotate(made)).previous_secret_until is not None
    assert served


async def test_what_no_longer_signs_is_forgotten_within_the_hour(served, subscribe, secret_of, sql, ask, workspace):
    kept, ended, gone = [await subscribe(URL) for _ in range(3)]
    secrets = {each.id: (await secret_of.rotate(each)).secret for each in (kept, ended)}
    await sql("UPDATE webhooks.endpoints SET next_alone_at = now() WHERE id = $1", ended.id)
    await ask(DeleteEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=gone.id))
    await sql("UPDATE webhooks.endpoints SET next_secret = 'left', next_alone_at = now() WHERE id = $1", gone.id)
    headless = await subscribe(URL)
    await ask(DeleteEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=headless.id))
    await sql("UPDATE webhooks.endpoints SET headers = 'left' WHERE id = $1", headless.id)
    resources = served.app.state.resources

    await WIPING.run(resources, utc_now())

    rows = {row["id"]: row for row in await sql("SELECT * FROM webhooks.endpoints")}
    assert (rows[gone.id]["secret"], rows[gone.id]["next_secret"]) == (None, None)
    assert rows[headless.id]["headers"] is None
    assert RING.decrypt(ended.id, rows[ended.id]["secret"]) == secrets[ended.id]
    assert (rows[ended.id]["next_secret"], rows[ended.id]["next_alone_at"]) == (None, None)
    assert RING.decrypt(kept.id, rows[kept.id]["secret"]) == kept.secret
    assert RING.decrypt(kept.id, rows[kept.id]["next_secret"]) == secrets[kept.id]
    assert rows[ended.id]["revision"] > rows[kept.id]["revision"]


async def test_of_an_erased_workspace_nothing_that_signs_is_left(served, subscribe, secret_of, workspace):
    more = {"headers": {"X-A": "x"}, "filter": {"path": "data.a", "eq": "x"}, "metadata": {"a": "x"}}
    await secret_of.rotate(await subscribe(URL, **more))
    resources = served.app.state.resources
    async with transaction(resources.database, resources.wake) as tx:
        await begin(tx, workspace)
        await tx.flush()
        [row] = (await tx.execute(select(Endpoint.secret, Endpoint.next_secret, Endpoint.next_alone_at))).all()
        assert tuple(row) == (None, None, None)
        [row] = (
            await tx.execute(select(Endpoint.headers, Endpoint.header_names, Endpoint.filter, Endpoint.remarks))
        ).all()
        assert tuple(row) == (None, [], None, {})


async def test_a_weak_secret_is_refused_by_the_owner_of_endpoints_too(served, api, workspace):
    weak = "whsec_" + base64.b64encode(b"ab" * 16).decode()
    made = {"createdBy": str(uuid4()), "url": URL, "events": ["*"]}
    for command, fields in ((CreateEndpoint, made), (RotateSecret, {"endpointId": str(new_id())})):
        body = {"workspaceId": str(workspace), "commandId": str(new_id()), "secret": weak, **fields}
        answer = await api.client.request(command.bus_subject(), orjson.dumps(body), timeout=5)
        assert b'"field":"secret"' in answer.data
        assert weak.encode() not in answer.data
    assert served
