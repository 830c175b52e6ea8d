import asyncio

from flowtask_contracts.events import CloudEvent


def told(events) -> list[tuple[str, int]]:
    return [(event["type"], event["aggregateversion"]) for event in events]


async def test_each_write_leaves_its_events_in_the_outbox(client, account, outbox):
    task = (await client.post("/api/v1/tasks", json={"title": "Write"})).json()["data"]
    path = f"/api/v1/tasks/{task['id']}"
    await client.patch(path, json={"title": "Read"})
    await client.put(path, json={})
    await client.put(path, json={"title": "Read"})
    await client.patch(path, json={"assigneeId": str(account.user_id)})
    done = (await client.patch(path, json={"status": "DONE"})).json()["data"]
    await client.delete(path)

    events = await outbox(account.workspace_id)

    assert told(events) == [
        ("task.created", 1),
        ("task.updated", 2),
        ("task.updated", 3),
        ("task.assigned", 3),
        ("task.updated", 4),
        ("task.completed", 4),
        ("task.deleted", 5),
    ]
    assert events[0]["data"] == task
    assert events[1]["changes"] == {"title": {"from": "Write", "to": "Read"}}
    assert events[-2]["data"] == done == events[-1]["data"]
    for event in events:
        CloudEvent.model_validate(event)
        assert (event["source"], event["subject"]) == ("flowtask/api", task["id"])
        assert event["actor"] == f"user:{account.user_id}"


async def test_a_refused_write_leaves_nothing(client, account, outbox, db):
    await client.post("/api/v1/tasks", json={"title": "T", "projectId": str(account.user_id)})
    await client.post("/api/v1/tasks", json={"title": ""})

    assert await outbox(account.workspace_id) == []
    assert await db.fetchval("SELECT count(*) FROM api.tasks WHERE workspace_id = $1", account.workspace_id) == 0


async def test_a_task_that_begins_assigned_and_done_tells_all_three(client, account, outbox):
    await client.post("/api/v1/tasks", json={"title": "T", "status": "DONE", "assigneeId": str(account.user_id)})

    assert told(await outbox(account.workspace_id)) == [
        ("task.created", 1),
        ("task.assigned", 1),
        ("task.completed", 1),
    ]


async def test_writes_at_the_same_time_get_versions_of_their_own_in_order(client, account, outbox):
    task = (await client.post("/api/v1/tasks", json={"title": "0"})).json()["data"]

    answers = await asyncio.gather(
        *(client.patch(f"/api/v1/tasks/{task['id']}", json={"title": str(n)}) for n in range(1, 11))
    )

    assert {answer.status_code for answer in answers} == {200}
    events = await outbox(account.workspace_id)
    assert [event["aggregateversion"] for event in events] == list(range(1, 12))
    titles = [event["data"]["title"] for event in events]
    assert [event["changes"]["title"]["from"] for event in events[1:]] == titles[:-1]


async def test_the_trace_of_the_request_travels_with_the_event(client, db):
    trace = "0af7651916cd43dd8448eb211c80319c"
    await client.post("/api/v1/tasks", json={"title": "T"}, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})

    headers = await db.fetchval("SELECT headers FROM api.outbox ORDER BY seq DESC LIMIT 1")
    assert trace in headers
