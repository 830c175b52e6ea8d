import asyncio

import orjson


async def erase(client, shared, **params):
    return await client.delete(shared.path, params={"confirm": str(shared.id), **params})


async def test_it_is_out_of_sight_at_once_and_gone_soon_after(
    shared, make_account, calling_with, sign_in, fill, finished, found, db
):
    account = await make_account()
    member = await shared.joins("admin", account)
    await shared.client.post(f"{shared.path}/invitations", json={"email": "grace@example.com"})
    await shared.client.patch(shared.path, json={"name": "Bridge"}, headers={"Idempotency-Key": "k"})
    async with calling_with(member) as client:
        await client.post("/api/v1/tasks", json={"title": "T"}, headers={"Idempotency-Key": "t"})
        await fill(shared.id, member.user_id, 1200)
        assert (await erase(shared.client, shared)).status_code == 204

        assert (await client.get("/api/v1/tasks")).status_code == 401
    person = await sign_in(account)
    for client in (shared.client, person):
        assert [each["personal"] for each in (await client.get("/api/v1/workspaces")).json()["data"]] == [True]
        for path in (shared.path, f"{shared.path}/members", f"{shared.path}/invitations"):
            assert (await client.get(path)).status_code == 404
        assert (await client.patch(shared.path, json={"name": "x"})).status_code == 404
    assert (await erase(shared.client, shared)).status_code == 404
    await finished()
    assert await found(shared.id) == {}

    rows = await db.fetch("SELECT subject, payload FROM api.outbox ORDER BY seq")
    told = [(row["subject"], orjson.loads(row["payload"])) for row in rows if str(shared.id).encode() in row["payload"]]
    assert told[-1][0] == "internal.workspace.erased"
    assert told[-1][1]["data"] == {"id": str(shared.id)}
    assert told[-1][1]["aggregateversion"] == 3
    assert [event["type"] for _, event in told if event["type"] == "task.deleted"] == []


async def test_only_owners_erase_it_and_only_when_they_mean_it(shared, calling_with, neighbour):
    for role, status in (("member", 403), ("admin", 403)):
        async with calling_with(await shared.joins(role)) as client:
            assert (await erase(client, shared)).status_code == status
    assert (await erase(neighbour, shared)).status_code == 404
    for confirm in ("", "yes", str(shared.owner.user_id)):
        answer = await erase(shared.client, shared, confirm=confirm)
        assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (400, "confirm")
    assert (await shared.client.delete(shared.path)).status_code == 400
    assert (await shared.client.get(shared.path)).status_code == 200


async def test_a_personal_one_goes_only_with_its_person(client, account):
    path = f"/api/v1/workspaces/{account.workspace_id}"
    answer = await client.delete(path, params={"confirm": str(account.workspace_id)})
    assert answer.status_code == 409
    assert (await client.get(path)).status_code == 200


async def test_nobody_comes_in_who_was_invited_before(shared, make_account, sign_in, finished):
    account = await make_account()
    invited = await shared.client.post(f"{shared.path}/invitations", json={"email": account.email})
    client = await sign_in(account)
    accepted, erased = await asyncio.gather(
        client.post("/api/v1/invitations/accept", json={"token": invited.json()["data"]["token"]}),
        erase(shared.client, shared),
    )
    assert (accepted.status_code in {201, 404}, erased.status_code) == (True, 204)
    await finished()
    assert len((await client.get("/api/v1/workspaces")).json()["data"]) == 1


async def test_what_a_request_writes_that_was_let_in_before_goes_as_well(
    shared, databases, finished, found, db, connect
):
    """Its transaction is older than the erasure, and reads nothing of it."""
    late = await connect(databases.api)
    await late.execute("BEGIN")
    assert await late.fetchval("SELECT count(*) FROM api.memberships WHERE workspace_id = $1", shared.id) == 1
    assert (await erase(shared.client, shared)).status_code == 204

    async def seen():
        async with asyncio.timeout(60):
            while await db.fetchval("SELECT seen_at IS NULL FROM api.erasures WHERE workspace_id = $1", shared.id):
                await asyncio.sleep(0.01)

    await seen()
    await late.execute(
        "INSERT INTO api.tasks (id, workspace_id, title, status, priority, version, created_by, created_at, updated_at)"
        " VALUES (gen_random_uuid(), $1, 'late', 'TODO', 'LOW', 1, $2, now(), now())",
        shared.id,
        shared.owner.user_id,
    )
    assert await db.fetchval("SELECT count(*) FROM api.erasures WHERE workspace_id = $1", shared.id) == 1
    await late.execute("COMMIT")
    await finished()
    assert await found(shared.id) == {}
