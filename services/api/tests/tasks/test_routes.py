from uuid import uuid4

import pytest

FIELDS = {
    "id",
    "title",
    "description",
    "status",
    "priority",
    "dueDate",
    "projectId",
    "project",
    "assigneeId",
    "createdAt",
    "updatedAt",
    "completedAt",
}


async def test_a_task_is_created_with_defaults_and_a_location(client):
    answer = await client.post("/api/v1/tasks", json={"title": "Write"})

    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"data", "meta", "error"}
    assert (body["meta"], body["error"]) == (None, None)
    task = body["data"]
    assert set(task) == FIELDS
    assert (task["status"], task["priority"], task["project"], task["completedAt"]) == ("TODO", "MEDIUM", None, None)
    assert answer.headers["location"] == f"/api/v1/tasks/{task['id']}"
    assert answer.headers["x-request-id"]
    assert (await client.get(answer.headers["location"])).json()["data"] == task


async def test_every_field_comes_back_as_it_was_sent(client, account):
    project = (await client.post("/api/v1/projects", json={"name": "P"})).json()["data"]
    sent = {
        "title": "  Über \U0001f680 ",
        "description": "long\ntext",
        "status": "IN_PROGRESS",
        "priority": "URGENT",
        "dueDate": "2026-12-24T18:00:00.123456+02:00",
        "projectId": project["id"],
        "assigneeId": str(account.user_id),
    }

    task = (await client.post("/api/v1/tasks", json=sent)).json()["data"]

    assert {**sent, "dueDate": "2026-12-24T16:00:00.123Z"}.items() <= task.items()
    assert task["project"] == {"id": project["id"], "name": "P"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_partial_body_changes_only_what_it_names(client, method):
    before = (await client.post("/api/v1/tasks", json={"title": "Write", "description": "d"})).json()["data"]

    answer = await client.request(method, f"/api/v1/tasks/{before['id']}", json={"status": "DONE"})

    after = answer.json()["data"]
    assert answer.status_code == 200
    assert after["completedAt"] == after["updatedAt"] > before["updatedAt"]
    assert after == before | {key: after[key] for key in ("status", "completedAt", "updatedAt")}


async def test_leaving_done_clears_the_time_of_completion(client):
    task = (await client.post("/api/v1/tasks", json={"title": "Write", "status": "DONE"})).json()["data"]
    assert task["completedAt"] == task["createdAt"]

    after = await client.patch(f"/api/v1/tasks/{task['id']}", json={"status": "TODO"})

    assert after.json()["data"]["completedAt"] is None


async def test_null_takes_optional_fields_away(client, account):
    project = (await client.post("/api/v1/projects", json={"name": "P"})).json()["data"]
    full = {
        "title": "T",
        "description": "d",
        "dueDate": "2026-12-24T18:00:00Z",
        "projectId": project["id"],
        "assigneeId": str(account.user_id),
    }
    task = (await client.post("/api/v1/tasks", json=full)).json()["data"]
    nothing = dict.fromkeys(("description", "dueDate", "projectId", "assigneeId"))

    after = (await client.patch(f"/api/v1/tasks/{task['id']}", json=nothing)).json()["data"]

    assert (nothing | {"project": None}).items() <= after.items()


async def test_an_empty_body_changes_nothing(client):
    task = (await client.post("/api/v1/tasks", json={"title": "Write"})).json()["data"]

    assert (await client.put(f"/api/v1/tasks/{task['id']}", json={})).json()["data"] == task


async def test_a_deleted_task_is_gone_and_the_answer_has_no_body(client):
    task = (await client.post("/api/v1/tasks", json={"title": "Write"})).json()["data"]

    answer = await client.delete(f"/api/v1/tasks/{task['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert (await client.get(f"/api/v1/tasks/{task['id']}")).status_code == 404
    assert (await client.delete(f"/api/v1/tasks/{task['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("field", "message"), [("projectId", "Project not found"), ("assigneeId", "Assignee not found")]
)
async def test_pointing_at_what_is_not_there_is_404(client, neighbour, field, message):
    theirs = {
        "projectId": (await neighbour.post("/api/v1/projects", json={"name": "theirs"})).json()["data"]["id"],
        "assigneeId": (await neighbour.get("/api/v1/me")).json()["data"]["id"],
    }
    task = (await client.post("/api/v1/tasks", json={"title": "mine"})).json()["data"]
    for value in (str(uuid4()), theirs[field]):
        created = await client.post("/api/v1/tasks", json={"title": "T", field: value})
        changed = await client.patch(f"/api/v1/tasks/{task['id']}", json={field: value})
        for answer in (created, changed):
            assert answer.status_code == 404
            assert answer.json()["error"] == {"code": "NOT_FOUND", "message": message, "details": []}
    assert (await client.get("/api/v1/tasks")).json()["meta"]["total"] == 1


async def test_another_member_can_be_assigned(client, make_member):
    member = await make_member("member")

    answer = await client.post("/api/v1/tasks", json={"title": "T", "assigneeId": str(member.user_id)})

    assert answer.status_code == 201


async def test_another_workspace_sees_nothing_and_changes_nothing(client, neighbour):
    task = (await client.post("/api/v1/tasks", json={"title": "mine"})).json()["data"]
    path = f"/api/v1/tasks/{task['id']}"

    answers = [
        await neighbour.get(path),
        await neighbour.put(path, json={"title": "theirs"}),
        await neighbour.patch(path, json={}),
        await neighbour.delete(path),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert (await neighbour.get("/api/v1/tasks")).json()["data"] == []
    assert (await client.get(path)).json()["data"] == task


async def test_a_title_of_200_characters_fits_and_201_do_not(client):
    assert (await client.post("/api/v1/tasks", json={"title": "x" * 200})).status_code == 201
    assert (await client.post("/api/v1/tasks", json={"title": "x" * 201})).status_code == 400
    assert (await client.post("/api/v1/tasks", json={"title": "x", "description": "\x01" * 20000})).status_code == 201


async def test_a_missing_title_is_named(client):
    answer = await client.post("/api/v1/tasks", json={})

    assert answer.status_code == 400
    assert answer.json() == {
        "data": None,
        "meta": None,
        "error": {
            "code": "VALIDATION_ERROR",
            "message": "Validation failed",
            "details": [{"field": "title", "message": "This field is required"}],
        },
    }
