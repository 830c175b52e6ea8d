async def test_the_api_describes_itself_with_typed_shapes(stranger):
    answer = await stranger.get("/openapi.json")

    spec = answer.json()
    assert spec["openapi"].startswith("3.1")
    assert spec["info"] == {
        "title": "FlowTask API",
        "description": "Public API for managing FlowTask projects and tasks",
        "version": "1.0.0",
    }
    assert set(spec["paths"]["/api/v1/tasks"]) == {"get", "post"}
    assert set(spec["paths"]["/api/v1/tasks/{task_id}"]) == {"get", "put", "patch", "delete"}
    for path, methods in spec["paths"].items():
        assert path.startswith("/api/v1/")
        for operation in methods.values():
            assert operation["summary"]
            assert operation["tags"]
            assert operation["security"] == [{"API key": []}, {"Clerk session": []}]
            assert {"$ref": "#/components/parameters/Workspace"} in operation["parameters"]
            success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
            if "204" not in operation["responses"]:
                assert "$ref" in success["content"]["application/json"]["schema"]
    assert set(spec["components"]["securitySchemes"]) == {"API key", "Clerk session"}
    assert {"Task", "Project", "CreateTask", "UpdateTask", "ErrorEnvelope"} <= set(spec["components"]["schemas"])


async def test_the_service_is_ready_without_nats(stranger):
    answer = await stranger.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "bus": "away"}


async def test_writes_work_without_nats_and_wait_in_the_outbox(client, account, outbox):
    assert (await client.post("/api/v1/tasks", json={"title": "T"})).status_code == 201
    assert len(await outbox(account.workspace_id)) == 1
