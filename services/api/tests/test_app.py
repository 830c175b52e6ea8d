import asyncio


async def test_the_service_is_ready_without_nats(stranger):
    answer = await stranger.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "bus": "away"}


async def test_writes_work_without_nats_and_wait_in_the_outbox(client, account, outbox):
    assert (await client.post("/api/v1/tasks", json={"title": "T"})).status_code == 201
    assert len(await outbox(account.workspace_id)) == 1


async def test_a_service_whose_connections_all_wait_for_a_lock_is_ready(client, db, account, until):
    where = (await client.post("/api/v1/projects", json={"name": "P"})).headers["location"]
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'flowtask_api'"

    async def all_wait():
        return await db.fetchval(waiting) == 5

    async with db.transaction():
        await db.execute("UPDATE api.projects SET name = name WHERE workspace_id = $1", account.workspace_id)
        changing = [asyncio.create_task(client.patch(where, json={"name": f"P{n}"})) for n in range(5)]
        await until(all_wait)
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (200, "ok")
    assert {answer.status_code for answer in await asyncio.gather(*changing)} == {200}
