"""The order and shape of refusals, on every route there is."""

import re
import secrets
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

ENVELOPE = {"data", "meta", "error"}


def api_routes(app) -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in app.routes
        if isinstance(route, APIRoute) and route.path.startswith("/api/")
        for method in sorted(route.methods)
    ]


def assert_refused(answer, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == ENVELOPE
    assert (body["data"], body["meta"]) == (None, None)
    assert body["error"]["code"] == code
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]


async def test_every_route_refuses_strangers_whatever_they_send(app, stranger):
    routes = api_routes(app)
    assert len(routes) >= 27
    for method, path in routes:
        for body in ({}, {"json": {}}, {"content": b"{"}, {"content": b"\xff", "headers": {"content-type": "text/x"}}):
            answer = await stranger.request(method, path.replace("{", "").replace("}", ""), **body)
            assert_refused(answer, 401, "UNAUTHORIZED")
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["message"] == "Unauthorized"


@pytest.mark.parametrize(
    "credential",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer ft_",
        "Bearer ft_" + "0" * 64,
        "Bearer ft_" + "0" * 63,
        "Bearer ft_" + "G" * 64,
        "Bearer xx_" + "0" * 64,
        "Basic ZGVtbzpkZW1v",
        "{key}",
        "Basic {key}",
        "Bearer {key}x",
        "Bearer {key} x",
        "Bearer {KEY}",
        "Bearer ft_\xe9",
        "Bearer " + "a" * 5000,
    ],
)
async def test_anything_but_a_known_key_is_401(stranger, account, credential):
    value = credential.replace("{key}", account.key).replace("{KEY}", account.key.upper())

    answer = await stranger.get("/api/v1/me", headers=[(b"authorization", value.encode("latin-1"))])

    assert_refused(answer, 401, "UNAUTHORIZED")


async def test_the_scheme_is_read_in_any_case(stranger, account):
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = await stranger.get("/api/v1/me", headers={"authorization": f"{scheme} {account.key}"})
        assert answer.status_code == 200


async def test_a_removed_membership_closes_its_keys(stranger, make_member, db):
    member = await make_member("member")
    assert (await stranger.get("/api/v1/me", headers=member.headers)).status_code == 200

    await db.execute("ALTER TABLE api.api_keys DROP CONSTRAINT fk_api_keys_workspace_id_user_id_memberships")
    await db.execute("DELETE FROM api.memberships WHERE user_id = $1", member.user_id)

    assert_refused(await stranger.get("/api/v1/me", headers=member.headers), 401, "UNAUTHORIZED")


async def test_members_may_not_manage_keys_and_webhooks(app, stranger, make_member):
    member, admin = await make_member("member"), await make_member("admin")
    guarded = [
        (method, re.sub(r"\{[^}]*\}", str(uuid4()), path))
        for method, path in api_routes(app)
        if any(part in path for part in ("webhooks", "deliveries", "api-keys"))
    ]
    assert len(guarded) >= 12
    for method, path in guarded:
        assert_refused(await stranger.request(method, path, headers=member.headers), 403, "FORBIDDEN")
        assert (await stranger.request(method, path, headers=admin.headers)).status_code != 403
    assert (await stranger.post("/api/v1/tasks", headers=member.headers, json={"title": "T"})).status_code == 201


async def test_ids_that_cannot_be_one_are_not_found(app, client):
    for method, path in api_routes(app):
        if "{" not in path:
            continue
        body = {"json": {}} if method in {"PUT", "PATCH"} else {}
        for bad in ("1", "x", "%00", "%ff", "%ED%A0%80", "0" * 36, "..%2F..", "a" * 3000):
            answer = await client.request(
                method, f"{path[: path.index('{')]}{bad}{path[path.index('}') + 1 :]}", **body
            )
            assert_refused(answer, 404, "NOT_FOUND")


async def test_unknown_paths_are_not_found(client, stranger):
    for path in ("/", "/api", "/api/v11", "/api/v2/tasks", "/redoc"):
        assert_refused(await client.get(path), 404, "NOT_FOUND")
        assert_refused(await stranger.post(path), 404, "NOT_FOUND")
    for path in ("/api/v1", "/api/v1/nothing"):
        assert_refused(await client.get(path), 404, "NOT_FOUND")
        assert_refused(await stranger.post(path), 401, "UNAUTHORIZED")


async def test_a_method_that_a_path_has_not_is_405_and_names_those_it_has(client):
    for method, path, allowed in (
        ("PUT", "/api/v1/tasks", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/api/v1/projects", "GET, HEAD, OPTIONS, POST"),
        ("POST", f"/api/v1/tasks/{uuid4()}", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("GET", f"/api/v1/deliveries/{uuid4()}/retry", "OPTIONS, POST"),
        ("POST", "/api/v1/me", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
    ):
        answer = await client.request(method, path)
        assert_refused(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == allowed


async def test_a_request_id_is_kept_when_it_is_plain(client):
    given = secrets.token_hex(8)
    assert (await client.get("/api/v1/me", headers={"x-request-id": given})).headers["x-request-id"] == given
    odd = await client.get("/api/v1/me", headers={"x-request-id": "a b"})
    assert odd.headers["x-request-id"] != "a b"


async def test_a_key_takes_the_name_of_its_own_workspace_and_of_no_other(client, account):
    for named, status in ((account.workspace_id, 200), (uuid4(), 400), ("nonsense", 400)):
        answer = await client.get("/api/v1/me", headers={"X-FlowTask-Workspace": str(named)})
        assert answer.status_code == status, named
    assert answer.json()["error"]["details"][0]["field"] == "X-FlowTask-Workspace"
