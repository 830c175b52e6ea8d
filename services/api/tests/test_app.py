async def test_the_service_is_ready_without_nats(stranger):
    answer = await stranger.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "bus": "away"}


async def test_writes_work_without_nats_and_wait_in_the_outbox(client, account, outbox):
    assert (await client.post("/api/v1/tasks", json={"title": "T"})).status_code == 201
    assert len(await outbox(account.workspace_id)) == 1
