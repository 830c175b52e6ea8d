"""How the API meets the web, as it is put together."""

import json

import pytest
from pydantic import SecretStr, ValidationError

from flowtask_api.app import create_app
from flowtask_api.settings import ApiSettings

APP = "https://app.example.com"


def settings_with(**values):
    return ApiSettings(database_url=SecretStr("postgresql://u@h/d"), nats_url=SecretStr("nats://h"), **values)


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"cors_origins": (APP,), "rate_limits": {"FREE": (1_000, 1_000)}})


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("", ()),
        (APP, (APP,)),
        (f"{APP}, http://localhost:3000", (APP, "http://localhost:3000")),
        (json.dumps([APP, "http://[::1]:3000"]), (APP, "http://[::1]:3000")),
    ],
)
def test_origins_are_named_between_commas_or_as_a_list(monkeypatch, given, origins):
    monkeypatch.setenv("FLOWTASK_CORS_ORIGINS", given)
    assert settings_with().cors_origins == origins


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("*", "would let every page on the web call"),
        ('["https://*.example.com"]', "would let every page on the web call"),
        ("app.example.com", "must be an origin"),
        ("https://app.example.com/", "must be an origin"),
        ("HTTPS://app.example.com", "must be an origin"),
        ("null", "must be an origin"),
        ("[", "Expecting value"),
    ],
)
def test_what_is_no_origin_is_refused_and_a_star_with_its_reason(monkeypatch, given, said):
    monkeypatch.setenv("FLOWTASK_CORS_ORIGINS", given)
    with pytest.raises(ValidationError, match=said):
        settings_with()


async def test_a_page_of_a_named_origin_can_call_and_read_what_the_answer_tells(client):
    answer = await client.post("/api/v1/tasks", json={"title": "T"}, headers={"origin": APP})
    assert answer.headers["access-control-allow-origin"] == APP
    exposed = set(answer.headers["access-control-expose-headers"].lower().split(", "))
    unsaid = {"content-length", "content-type", "cache-control", "vary"}  # readable without being named, or of no use
    told = {
        name
        for name in answer.headers
        if name not in unsaid and not name.startswith(("access-control", "x-content", "content-security", "referrer"))
    }
    assert told <= exposed
    assert {"retry-after", "idempotency-replayed"} <= exposed


async def test_asking_first_needs_no_key_and_is_not_counted(stranger, client):
    asked = {
        "origin": APP,
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization,content-type,idempotency-key,if-match",
    }
    before = (await client.get("/api/v1/me")).headers["x-ratelimit-remaining"]
    for _ in range(5):
        answer = await stranger.options("/api/v1/tasks", headers=asked)
        assert answer.status_code == 204
        assert "x-ratelimit-limit" not in answer.headers
        allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
        assert set(asked["access-control-request-headers"].split(",")) <= set(allowed)
        assert "PATCH" in answer.headers["access-control-allow-methods"]
    after = (await client.get("/api/v1/me")).headers["x-ratelimit-remaining"]
    assert int(after) == int(before) - 1


async def test_pages_may_send_and_read_every_header_that_the_description_tells_of(stranger):
    described = (await stranger.get("/openapi.json")).json()
    operations = [
        operation for path in described["paths"].values() for operation in path.values() if isinstance(operation, dict)
    ]
    sent = {
        each["name"] for operation in operations for each in operation.get("parameters", ()) if each["in"] == "header"
    }
    asked = {"origin": APP, "access-control-request-method": "GET"}
    granted = (await stranger.options("/api/v1/tasks", headers=asked)).headers["access-control-allow-headers"]
    exposed = (await stranger.get("/api/v1/me", headers={"origin": APP})).headers["access-control-expose-headers"]

    assert {"X-FlowTask-Workspace", "Idempotency-Key", "If-Match", "If-None-Match"} <= sent
    assert set(granted.split(", ")) == sent | {"Authorization", "Content-Type", "X-Request-Id"}
    assert "WWW-Authenticate" in described["components"]["headers"]
    assert set(exposed.split(", ")) == set(described["components"]["headers"])


async def test_options_names_all_methods_of_a_path_to_anybody(stranger):
    answer = await stranger.options("/api/v1/tasks")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_every_get_has_a_head_without_a_body(client):
    task = (await client.post("/api/v1/tasks", json={"title": "T"})).json()["data"]["id"]
    for path in ("/api/v1/tasks", f"/api/v1/tasks/{task}", "/api/v1/me", "/openapi.json", "/docs", "/livez", "/readyz"):
        got, headed = await client.get(path), await client.head(path)
        assert (headed.status_code, headed.content) == (200, b"")
        assert headed.headers["content-length"] == got.headers["content-length"]
        assert headed.headers.get("etag") == got.headers.get("etag")


async def test_answers_are_not_stored_and_those_with_a_tag_are_asked_about(client, stranger):
    task = (await client.post("/api/v1/tasks", json={"title": "T"})).json()["data"]["id"]
    assert (await client.get("/api/v1/tasks")).headers["cache-control"] == "no-store"
    assert (await stranger.get("/api/v1/tasks")).headers["cache-control"] == "no-store"
    got = await client.get(f"/api/v1/tasks/{task}")
    assert got.headers["cache-control"] == "private, no-cache"
    again = await client.get(f"/api/v1/tasks/{task}", headers={"if-none-match": got.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-cache")


async def test_long_lists_travel_compressed_and_new_keys_never(client):
    for number in range(10):
        await client.post("/api/v1/tasks", json={"title": f"task {number}"})
    zipped = {"accept-encoding": "gzip"}
    listed = await client.get("/api/v1/tasks", headers=zipped)
    assert listed.headers["content-encoding"] == "gzip"
    assert len(listed.json()["data"]) == 10
    created = await client.post("/api/v1/api-keys", json={"name": "k" * 200}, headers=zipped)
    assert created.headers["cache-control"] == "no-store"
    assert "content-encoding" not in created.headers


@pytest.mark.parametrize(
    ("public_url", "insisted"), [(None, False), ("http://api.example.com", False), ("https://api.example.com", True)]
)
async def test_browsers_are_told_to_insist_on_https_where_callers_come_by_it(public_url, insisted):
    app = create_app(settings_with(public_url=public_url))
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/livez", "headers": [], "query_string": b""}
    await app(scope, None, send)
    assert (b"strict-transport-security" in dict(sent[0]["headers"])) is insisted


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_slash_too_many_is_sent_to_the_same_thing_without_it(client, method):
    answer = await client.request(method, "/api/v1/tasks/?page=1")
    assert (answer.status_code, answer.headers["location"]) == (308, "/api/v1/tasks?page=1")
    followed = await client.request("POST", "/api/v1/tasks/", json={"title": "T"}, follow_redirects=True)
    assert followed.status_code == 201


async def test_the_log_line_of_a_request_names_whose_it_was_by_ids_and_no_more(client, account, capsys, settings):
    from flowtask_kit import logs  # noqa: PLC0415 - only here are logs read

    logs.configure("api", "info")
    await client.get("/api/v1/tasks?status=TODO", headers={"x-request-id": "to-be-found"})
    logs.configure("api", settings.log_level)

    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"event":"request"' in line]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/v1/tasks", 200)
    assert (line["request_id"], line["workspace_id"]) == ("to-be-found", str(account.workspace_id))
    assert len(line["key_id"]) == 36
    assert line["duration_ms"] > 0
    assert account.key not in str(line)
    assert "TODO" not in str(line)
