"""What the audit log tells, and how it is read."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from flowtask_api.audit import service as audit
from flowtask_api.auth.models import Caller
from flowtask_contracts.base import rfc3339
from flowtask_contracts.resources import Role
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id, utc_now

KEYS, LOG = "/api/v1/api-keys", "/api/v1/audit-log"


@pytest.fixture
def caller(account):
    return Caller(account.workspace_id, account.user_id, Role.OWNER, key_id=None, operator=False)


@pytest.fixture
def tell(app, caller):
    """Writes entries of these actions, one after another; the ids of what they were done to."""

    async def tell(*actions, target_id=None):
        targets = [target_id or new_id() for _ in actions]
        for action, target in zip(actions, targets, strict=True):
            async with transaction(app.state.resources.database, app.state.resources.wake) as tx:
                audit.record(tx, caller, action, target, {"a": 1})
        return targets

    return tell


async def entries(client, **query):
    answer = await client.get(LOG, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_the_life_of_a_key_is_told_in_order(client, account):
    key = (await client.post(KEYS, json={"name": "Ada's laptop", "scopes": ["read"]})).json()["data"]
    where = f"{KEYS}/{key['id']}"
    await client.patch(where, json={"name": "Bob's laptop", "scopes": ["write"], "expiresAt": "2999-01-01T00:00:00Z"})
    await client.patch(where, json={"name": "Bob's laptop"})
    new = (await client.post(f"{where}/rotate", json={"overlapSeconds": 60})).json()["data"]
    await client.delete(where)
    (used,) = [row for row in (await client.get(KEYS)).json()["data"] if row["id"] != new["id"]]

    told = await entries(client, targetId=key["id"])

    assert [(entry["action"], entry["details"]) for entry in reversed(told)] == [
        ("api_key.created", {"scopes": ["read"], "expiresAt": None, "operator": False}),
        (
            "api_key.updated",
            {
                "changes": {
                    "name": None,
                    "scopes": {"from": ["read"], "to": ["write"]},
                    "expiresAt": {"from": None, "to": "2999-01-01T00:00:00.000Z"},
                }
            },
        ),
        ("api_key.rotated", {"rotatedTo": new["id"], "overlapSeconds": 60}),
        ("api_key.revoked", {}),
    ]
    for entry in told:
        assert entry["actorId"] == str(account.user_id)
        assert entry["keyId"] == used["id"]
        assert (entry["targetType"], entry["outcome"]) == ("api_key", "done")
    assert "laptop" not in str(told)


async def test_what_was_refused_or_did_not_commit_is_not_told(client, db):
    key = (await client.post(KEYS, json={"name": "K"})).json()["data"]["id"]
    before = await entries(client)
    await client.post(KEYS, json={"name": ""})
    await client.patch(f"{KEYS}/{uuid4()}", json={"name": "N"})
    await client.patch(f"{KEYS}/{key}", json={"name": "N"}, headers={"If-Match": '"99"'})
    await db.execute("ALTER TABLE api.api_keys ADD CONSTRAINT no CHECK (name <> 'refused') NOT VALID")
    try:
        assert (await client.post(KEYS, json={"name": "refused"})).status_code == 500
        assert (await client.patch(f"{KEYS}/{key}", json={"name": "refused"})).status_code == 500
    finally:
        await db.execute("ALTER TABLE api.api_keys DROP CONSTRAINT no")
    assert await entries(client) == before


async def test_a_change_whose_entry_cannot_be_written_does_not_happen(client, db):
    await db.execute("ALTER TABLE api.audit_entries RENAME TO away")
    try:
        assert (await client.post(KEYS, json={"name": "K"})).status_code == 500
    finally:
        await db.execute("ALTER TABLE api.away RENAME TO audit_entries")
    assert len((await client.get(KEYS)).json()["data"]) == 1


async def test_a_repeat_makes_no_second_entry(client):
    for _ in range(3):
        await client.post(KEYS, json={"name": "K"}, headers={"Idempotency-Key": "k"})
    assert [entry["action"] for entry in await entries(client)] == ["api_key.created"]


async def test_the_log_is_filtered_by_action_actor_target_and_time(client, account, tell, db):
    member, hook, gone = await tell("member.removed", "webhook.created", "webhook.deleted")
    other = uuid4()
    await db.execute("UPDATE api.audit_entries SET actor_id = $1 WHERE target_id = $2", other, hook)
    moment = utc_now().replace(microsecond=0)
    for target, hours in ((member, 3), (hook, 2), (gone, 1)):
        await db.execute(
            "UPDATE api.audit_entries SET created_at = $1 WHERE target_id = $2", moment - timedelta(hours=hours), target
        )

    async def found(**query):
        return [entry["targetId"] for entry in await entries(client, **query)]

    m, h, g = str(member), str(hook), str(gone)
    two_hours_ago = rfc3339(moment - timedelta(hours=2))
    assert await found() == [g, h, m]
    assert await found(action="webhook.*") == [g, h]
    assert await found(action="webhook.created") == [h]
    assert await found(action="web.*") == await found(action="webhook_.*") == []
    assert await found(actorId=str(account.user_id)) == [g, m]
    assert await found(actorId=str(other), action="webhook.*") == [h]
    assert await found(targetId=m) == [m]
    assert await found(since=two_hours_ago) == [g, h]
    assert await found(until=two_hours_ago) == [m]
    assert await found(since=two_hours_ago, until=two_hours_ago) == []


@pytest.mark.parametrize(
    "query",
    [
        *("action=webhook", "action=*", "action=%25.*", "action=a.b.c", "action=W.x", "action=%00.x"),
        *("actorId=1", "targetId=x", "since=2026-01-01", "until=1"),
        *("cursor=x", "cursor=", "perPage=0", "perPage=101", "page=1", "who=me"),
    ],
)
async def test_a_filter_that_is_none_is_refused_by_its_name(client, query):
    answer = await client.get(f"{LOG}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == query.partition("=")[0]


async def test_the_log_is_read_to_its_end_by_cursor_while_it_grows(client, tell):
    told = list(map(str, await tell(*["member.added"] * 7)))
    seen, cursor = [], {}
    while cursor is not None:
        page = (await client.get(LOG, params={"perPage": 3, **cursor})).json()
        seen += [entry["targetId"] for entry in page["data"]]
        await tell("member.removed")
        following = page["meta"]["nextCursor"]
        cursor = following and {"cursor": following}
    assert seen == told[::-1]


async def test_the_log_is_for_owners_and_admins_of_its_own_workspace(client, stranger, neighbour, make_member, tell):
    await tell("member.added")
    assert await entries(neighbour) == []
    for role, status in (("member", 403), ("admin", 200)):
        person = await make_member(role)
        assert (await stranger.get(LOG, headers=person.headers)).status_code == status
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await client.request(method, LOG)).status_code == 405


async def test_what_the_system_does_has_no_actor(app, client, account):
    async with transaction(app.state.resources.database, app.state.resources.wake) as tx:
        audit.record_by_system(tx, account.workspace_id, "member.removed", account.user_id)
    (entry,) = await entries(client)
    assert (entry["actorId"], entry["keyId"], entry["details"]) == (None, None, {})


async def test_of_many_changes_at_once_none_is_missing(client):
    key = (await client.post(KEYS, json={"name": "K"})).json()["data"]["id"]
    await asyncio.gather(*(client.patch(f"{KEYS}/{key}", json={"name": f"K{n}"}) for n in range(20)))
    assert len(await entries(client, targetId=key, action="api_key.updated", perPage=100)) == 20
