import pytest


async def test_a_project_is_created_read_changed_and_listed(client, account, outbox):
    created = await client.post("/api/v1/projects", json={"name": "P", "description": "d"})
    project = created.json()["data"]
    assert created.status_code == 201
    assert created.headers["location"] == f"/api/v1/projects/{project['id']}"
    assert set(project) == {"id", "name", "description", "ownerId", "createdAt", "updatedAt"}
    assert project["ownerId"] == str(account.user_id)
    assert (await client.get(created.headers["location"])).json() == {"data": project, "meta": None, "error": None}

    renamed = (await client.put(created.headers["location"], json={"name": "Q"})).json()["data"]
    assert renamed == project | {"name": "Q", "updatedAt": renamed["updatedAt"]}
    assert (await client.patch(created.headers["location"], json={})).json()["data"] == renamed
    assert (await client.patch(created.headers["location"], json={"name": None})).status_code == 400

    listed = (await client.get("/api/v1/projects")).json()
    assert listed == {"data": [renamed], "meta": {"page": 1, "perPage": 20, "total": 1}, "error": None}
    events = [(event["type"], event["aggregateversion"]) for event in await outbox(account.workspace_id)]
    assert events == [("project.created", 1), ("project.updated", 2)]


async def test_projects_are_paged_by_number_and_by_cursor(client):
    for number in range(5):
        await client.post("/api/v1/projects", json={"name": f"p{number}"})

    page = (await client.get("/api/v1/projects?perPage=2&page=2")).json()
    assert [project["name"] for project in page["data"]] == ["p2", "p1"]
    assert page["meta"] == {"page": 2, "perPage": 2, "total": 5}

    names, cursor = [], ""
    while cursor is not None:
        answer = (await client.get("/api/v1/projects", params={"cursor": cursor, "perPage": 2})).json()
        names += [project["name"] for project in answer["data"]]
        cursor = answer["meta"]["nextCursor"]
    assert names == ["p4", "p3", "p2", "p1", "p0"]
    oldest = (await client.get("/api/v1/projects?sort=createdAt&cursor=&perPage=1")).json()
    assert oldest["data"][0]["name"] == "p0"
    crossed = await client.get("/api/v1/projects", params={"cursor": oldest["meta"]["nextCursor"]})
    assert crossed.status_code == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_another_workspaces_project_is_not_found(client, neighbour, method):
    project = (await client.post("/api/v1/projects", json={"name": "mine"})).json()["data"]

    answer = await neighbour.request(
        method, f"/api/v1/projects/{project['id']}", json={} if method.startswith("P") else None
    )

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Project not found"
    assert (await neighbour.get("/api/v1/projects")).json()["data"] == []
