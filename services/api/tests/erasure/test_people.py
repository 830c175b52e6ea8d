import asyncio
from uuid import UUID

import orjson
import pytest

ME = "/api/v1/me"

AUDITED = {"api.audit_entries.actor_id", "api.audit_entries.target_id"}
"""Who changed what in a workspace that stays, and whose place it was, is kept by id."""


async def erase(client, account, **params):
    return await client.delete(ME, params={"confirm": str(account.user_id), **params})


async def test_a_person_is_gone_at_once_and_nothing_is_left_soon_after(
    make_account, share, calling_with, sign_in, fill, finished, found, db, told
):
    account = await make_account("ada.lovelace@example.com")
    person = await sign_in(account)
    await person.patch(ME, json={"name": "Ada King Lovelace"}, headers={"Idempotency-Key": "name"})
    await fill(account.workspace_id, account.user_id)
    shared, alone = await share(), await share(account)
    member = await shared.joins("admin", account)
    await fill(shared.id, account.user_id, 3)
    other = await share()
    for path, key in ((f"{other.path}/invitations", "invite"), (f"{shared.path}/members/{account.user_id}", "role")):
        body = {"email": account.email, "role": "admin"} if key == "invite" else {"role": "member"}
        method = "POST" if key == "invite" else "PATCH"
        answer = await other.client.request(method, path, json=body, headers={"Idempotency-Key": key})
        if key == "role":
            answer = await shared.client.patch(path, json=body, headers={"Idempotency-Key": key})
        assert answer.is_success, answer.text
    assert {place.split(".")[1] for place in await found(account.email)} == {"users", "invitations", "idempotency_keys"}

    assert (await erase(person, account)).status_code == 204

    for key in (account, member, alone.owner):
        async with calling_with(key) as client:
            assert (await client.get(ME)).status_code == 401
    assert (await person.get(ME)).status_code == 401
    assert await found(account.email) == await found("Ada King Lovelace") == {}
    await finished()
    assert await found(account.email) == await found("Ada King Lovelace") == {}
    for gone in (account.workspace_id, alone.id):
        assert await found(gone) == {}
    assert set(await found(account.user_id)) == {"api.tasks.created_by", "api.projects.owner_id"} | AUDITED
    assert (await shared.client.get(shared.path)).status_code == 200
    assert (
        await db.fetchval("SELECT count(*) FROM api.tasks WHERE workspace_id = $1 AND assignee_id IS NULL", shared.id)
        == 3
    )

    left = [event for event in await told(shared.id, "membership") if event["type"] == "membership.deleted"]
    assert [event["subject"] for event in left] == [str(account.user_id)]
    rows = await db.fetch("SELECT subject, payload FROM api.outbox ORDER BY seq")
    ends = [(row["subject"], orjson.loads(row["payload"])) for row in rows if row["subject"].endswith("erased")]
    mine = [(subject, event) for subject, event in ends if event["actor"] == f"user:{account.user_id}"]
    assert [subject for subject, _ in mine] == ["internal.workspace.erased"] * 2 + ["internal.user.erased"]
    assert {event["subject"] for _, event in mine[:2]} == {str(account.workspace_id), str(alone.id)}
    assert mine[2][1]["data"] == {"id": str(account.user_id)}
    assert mine[2][1]["aggregateversion"] == 3


async def test_the_address_is_free_again_and_who_comes_is_somebody_new(make_account, calling_with, finished):
    account = await make_account("again@example.com")
    async with calling_with(account) as client:
        assert (await erase(client, account)).status_code == 204
    again = await make_account("again@example.com")
    await finished()
    assert again.user_id != account.user_id
    async with calling_with(again) as client:
        assert (await client.get(ME)).json()["data"]["name"] == "Ada"


async def test_the_only_owner_of_a_workspace_with_others_in_it_stays_until_there_is_another(shared, finished, found):
    member = await shared.joins("admin")
    refused = await erase(shared.client, shared.owner)

    assert refused.status_code == 409
    assert refused.json()["error"]["details"] == [{"field": str(shared.id), "message": "Engine room"}]
    assert (await shared.client.get(ME)).status_code == 200
    await shared.client.patch(f"{shared.path}/members/{member.user_id}", json={"role": "owner"})
    assert (await erase(shared.client, shared.owner)).status_code == 204
    await finished()
    assert await found(shared.owner.email) == {}


async def test_of_two_owners_who_go_at_once_one_stays(share, sign_in, make_account, finished, db):
    for _ in range(4):
        shared = await share()
        account = await make_account()
        await shared.joins("owner", account)
        await shared.joins("member")
        answers = await asyncio.gather(erase(shared.client, shared.owner), erase(await sign_in(account), account))
        assert sorted(answer.status_code for answer in answers) == [204, 409]
        owners = await db.fetchval(
            "SELECT count(*) FROM api.memberships WHERE workspace_id = $1 AND role = 'owner'", shared.id
        )
        assert owners == 1
    await finished()


async def test_a_key_of_a_shared_workspace_erases_nobody(shared, calling_with):
    async with calling_with(shared.owner) as client:
        answer = await erase(client, shared.owner)
    assert (answer.status_code, "shared workspace" in answer.json()["error"]["message"]) == (403, True)
    assert (await shared.client.get(ME)).status_code == 200


@pytest.mark.parametrize("confirm", ["", "yes", str(UUID(int=0))])
async def test_nobody_is_erased_by_mistake(client, account, confirm):
    answer = await erase(client, account, confirm=confirm)
    assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (400, "confirm")
    assert (await client.delete(ME)).status_code == 400
    assert (await client.get(ME)).status_code == 200


async def test_who_goes_while_coming_in_is_nowhere(share, make_account, sign_in, finished, found):
    gone = []
    for _ in range(4):
        shared, account = await share(), await make_account()
        invited = await shared.client.post(f"{shared.path}/invitations", json={"email": account.email})
        client = await sign_in(account)
        accepted, erased = await asyncio.gather(
            client.post("/api/v1/invitations/accept", json={"token": invited.json()["data"]["token"]}),
            erase(client, account),
        )
        assert (accepted.status_code in {201, 401, 404}, erased.status_code) == (True, 204)
        gone.append(account)
    await finished()
    for account in gone:
        assert set(await found(account.user_id)) <= AUDITED
        assert await found(account.email) == {}


async def test_a_workspace_that_stays_has_it_in_its_log_that_somebody_has_gone(shared, make_account, sign_in):
    account = await make_account()
    await shared.joins("admin", account)

    assert (await erase(await sign_in(account), account)).status_code == 204

    headers = {"authorization": f"Bearer {shared.owner.key}"}
    log = await shared.client.get("/api/v1/audit-log", params={"action": "member.removed"}, headers=headers)
    (entry,) = log.json()["data"]
    assert (entry["actorId"], entry["targetId"], entry["details"]) == (
        str(account.user_id),
        str(account.user_id),
        {"role": "admin"},
    )


async def test_who_goes_while_a_workspace_of_theirs_is_being_erased_is_not_held_up(
    share, sign_in, make_account, db, connect, databases
):
    """Of a workspace that is hidden, places may go at any moment."""
    account = await make_account()
    shared = await share(account)
    person = await sign_in(account)
    job = await connect(databases.admin)
    async with job.transaction():
        await job.execute("UPDATE api.workspaces SET erased_at = now() WHERE id = $1", shared.id)
    async with job.transaction():
        await job.execute("SELECT 1 FROM api.workspaces WHERE id = $1 FOR UPDATE", shared.id)
        await job.execute("DELETE FROM api.memberships WHERE workspace_id = $1", shared.id)
        going = asyncio.create_task(erase(person, account))
        async with asyncio.timeout(60):
            while not going.done() and not await db.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ):
                await asyncio.sleep(0.01)  # between two looks at the condition
    assert (await going).status_code == 204


async def test_answers_that_show_somebody_without_an_address_are_kept_and_go_with_them(
    shared, make_account, sign_in, db, found
):
    account = await make_account()
    await shared.joins("member", account)
    await db.execute("UPDATE api.users SET email = NULL, name = 'Ada King Lovelace' WHERE id = $1", account.user_id)
    person, member = await sign_in(account), f"{shared.path}/members/{account.user_id}"
    for client, method, path, body in (
        (person, "PATCH", ME, {"locale": "de"}),
        (person, "PUT", ME, {"locale": "fr"}),
        (shared.client, "PATCH", member, {"role": "admin"}),
        (shared.client, "PUT", member, {"role": "member"}),
    ):
        key = {"Idempotency-Key": f"{method} {path}"}
        answers = [await client.request(method, path, json=body, headers=key) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].content == answers[1].content
    assert (await found("Ada King Lovelace"))["api.idempotency_keys.body"] == 4

    assert (await erase(person, account)).status_code == 204
    assert await found("Ada King Lovelace") == {}
