"""Changes that another service makes: an answering service on a live NATS, and one that is silent, refuses or is killed."""

import asyncio
from uuid import UUID

import httpx2
import pytest

from flowtask_contracts.base import rfc3339
from flowtask_contracts.errors import Conflict, FlowTaskError, RateLimited, ValidationFailed
from flowtask_kit.bus.errors import OutcomeUnknown, UnderWay
from flowtask_kit.ids import new_id, utc_now

HOOKS, LOG = "/api/v1/webhooks", "/api/v1/audit-log"
HOOK = {"url": "https://example.com/services/T0/secret-in-the-path", "events": ["task.*"]}
ENDPOINT = {
    **HOOK,
    "id": str(new_id()),
    "description": None,
    "active": True,
    "createdBy": str(new_id()),
    "createdAt": rfc3339(utc_now()),
    "updatedAt": rfc3339(utc_now()),
    "secret": "whsec_x",
}
WHERE = f"{HOOKS}/{ENDPOINT['id']}"


@pytest.fixture
def nats_url(nats_server) -> str:
    return nats_server.url()


@pytest.fixture
async def dispatcher(other_service):
    answering = await other_service("webhook-dispatcher")
    answering.answers |= {"create-endpoint": ENDPOINT, "update-endpoint": ENDPOINT, "get-endpoint": ENDPOINT}
    return answering


async def entries(client):
    return (await client.get(LOG)).json()["data"]


@pytest.fixture
def entry(db, account):
    """Reads outcome and target of the one entry of the account's workspace."""

    async def read():
        (row,) = await db.fetch(
            "SELECT outcome, target_id FROM api.audit_entries WHERE workspace_id = $1", account.workspace_id
        )
        return tuple(row)

    return read


def key(value="k"):
    return {"Idempotency-Key": value}


async def test_changes_of_webhooks_are_told_without_their_addresses(client, account, dispatcher):
    assert (await client.post(HOOKS, json=HOOK)).status_code == 201
    changed = {"active": False, "url": HOOK["url"], "description": "x", "payload": "thin", "metadata": {"a": "b"}}
    changed |= {"headers": {"Authorization": "Bearer abc"}, "filter": {"path": "data.title", "eq": "x"}}
    assert (await client.patch(WHERE, json=changed)).status_code == 200
    assert (await client.patch(WHERE, json={})).status_code == 200
    assert (await client.delete(WHERE)).status_code == 204

    told = await entries(client)

    assert [(entry["action"], entry["details"]) for entry in reversed(told)] == [
        ("webhook.created", {"events": ["task.*"], "active": True}),
        (
            "webhook.updated",
            {
                "changes": {"active": {"to": False}, "payload": {"to": "thin"}}
                | dict.fromkeys(("description", "filter", "headers", "metadata", "url"))
            },
        ),
        ("webhook.deleted", {}),
    ]
    for entry in told:
        assert (entry["targetId"], entry["targetType"], entry["outcome"]) == (ENDPOINT["id"], "webhook", "done")
        assert entry["actorId"] == str(account.user_id)
        assert UUID(entry["keyId"])
    assert "secret-in-the-path" not in str(told)
    assert len(dispatcher.asked) == 4


async def test_the_entry_is_committed_before_the_command_is_asked_and_no_transaction_waits(
    client, dispatcher, entry, db, until
):
    async def look():
        """Answer once every transaction has ended that was open when the command came: loops have some of their own."""
        came = await db.fetchval("SELECT clock_timestamp()")

        async def ended():
            return not await db.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start < $1"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
                came,
            )

        await until(ended)
        seen.append(await entry())

    seen = []
    dispatcher.before = look
    assert (await client.post(HOOKS, json=HOOK)).status_code == 201
    assert seen == [("requested", None)]
    assert await entry() == ("done", UUID(ENDPOINT["id"]))


async def test_what_the_owner_refuses_is_not_told(client, dispatcher):
    later = (RateLimited(retry_after=30), Conflict("An attempt is under way", retry_after=2))
    for refusal in (ValidationFailed("no"), Conflict("full"), *later):
        dispatcher.answers["create-endpoint"] = refusal
        assert (await client.post(HOOKS, json=HOOK)).status_code == refusal.status
        assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == refusal.status
    assert await entries(client) == []
    dispatcher.answers["create-endpoint"] = ENDPOINT
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 201
    assert [entry["outcome"] for entry in await entries(client)] == ["done"]


async def test_of_what_nobody_or_a_failure_answered_the_outcome_stays_open(client, dispatcher):
    dispatcher.answers["create-endpoint"] = FlowTaskError()
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 500
    await dispatcher.end()
    assert (await client.delete(WHERE)).status_code == 503
    told = await entries(client)
    assert [(entry["action"], entry["outcome"]) for entry in told] == [
        ("webhook.deleted", "requested"),
        ("webhook.created", "requested"),
    ]
    assert [entry["targetId"] for entry in told] == [ENDPOINT["id"], None]


async def test_a_repeat_settles_the_first_entry_and_makes_no_second(client, dispatcher):
    dispatcher.answers["create-endpoint"] = FlowTaskError()
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 500
    assert (await client.post(HOOKS, json=HOOK | {"events": ["*"]}, headers=key())).status_code == 409
    (open_one,) = await entries(client)
    assert (open_one["outcome"], open_one["details"]["events"]) == ("requested", ["task.*"])

    dispatcher.answers["create-endpoint"] = ENDPOINT
    for _ in range(3):
        assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 201
    (settled,) = await entries(client)
    assert settled == open_one | {"outcome": "done", "targetId": ENDPOINT["id"]}


async def test_a_repeat_that_is_refused_leaves_open_what_became_of_the_first(client, dispatcher, entry):
    dispatcher.answers["create-endpoint"] = FlowTaskError()
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 500
    dispatcher.answers["create-endpoint"] = Conflict("full")
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 409
    assert await entry() == ("requested", None)


@pytest.mark.parametrize("undecided", [UnderWay(retry_after=1), OutcomeUnknown()], ids=["under way", "not known"])
async def test_what_is_under_way_there_or_not_known_is_not_taken_back(client, dispatcher, entry, undecided):
    dispatcher.answers["create-endpoint"] = undecided
    answer = await client.post(HOOKS, json=HOOK, headers=key())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert answer.json()["error"].get("retryAfter") == undecided.retry_after
    assert await entry() == ("requested", None)
    dispatcher.answers["create-endpoint"] = ENDPOINT
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 201
    assert await entry() == ("done", UUID(ENDPOINT["id"]))


async def test_an_entry_taken_back_by_another_is_written_anew_by_what_is_done(client, account, dispatcher, entry, db):
    async def take_back():
        await db.execute("DELETE FROM api.audit_entries WHERE workspace_id = $1", account.workspace_id)

    dispatcher.before = take_back
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 201
    assert await entry() == ("done", UUID(ENDPOINT["id"]))


async def test_a_database_that_goes_away_meanwhile_costs_nobody_the_secret(app, client, dispatcher, entry, db):
    async def shut_out():
        await db.execute("ALTER ROLE flowtask_api CONNECTION LIMIT 0")
        await app.state.resources.database.engine.dispose()

    dispatcher.before = shut_out
    try:
        answer = await client.post(HOOKS, json=HOOK, headers=key())
    finally:
        await db.execute("ALTER ROLE flowtask_api CONNECTION LIMIT -1")
    assert (answer.status_code, answer.json()["data"]["secret"]) == (201, "whsec_x")
    assert (await entry())[0] == "requested"
    dispatcher.before = None
    await client.post(HOOKS, json=HOOK, headers=key())
    assert (await entry())[0] == "done"


async def test_many_at_once_with_one_key_make_one_entry(client, dispatcher):
    answers = await asyncio.gather(*(client.post(HOOKS, json=HOOK, headers=key()) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all(answer.json()["error"]["retryAfter"] == 1 for answer in answers if answer.status_code == 409)
    assert len([each for each in answers if "secret" in each.text and "idempotency-replayed" not in each.headers]) == 1
    assert len(await entries(client)) == 1
    assert len(dispatcher.done) == 1


async def test_a_process_killed_between_the_change_and_its_settling_loses_no_entry(serve, account, dispatcher, entry):
    program = await serve(FLOWTASK_CRASHPOINTS="audit.before-settle:1")
    async with httpx2.AsyncClient(base_url=program.url, headers=account.headers | key(), timeout=20) as caller:
        with pytest.raises(httpx2.HTTPError):
            await caller.post(HOOKS, json=HOOK)
    assert await program.process.wait() == -9
    assert await entry() == ("requested", None)
    assert len(dispatcher.asked) == 1

    program = await serve()
    async with httpx2.AsyncClient(base_url=program.url, headers=account.headers | key(), timeout=20) as caller:
        assert (await caller.post(HOOKS, json=HOOK)).status_code == 201
    assert await entry() == ("done", UUID(ENDPOINT["id"]))
