"""What each scope opens: as a table, and on every route there is."""

import re
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from flowtask_api.auth.dependencies import Authenticated
from flowtask_api.auth.routing import ApiRoute
from flowtask_api.auth.scopes import GRANTS, READING, Access, Resource, beyond, permits

FAMILIES = {
    "tasks": "tasks",
    "projects": "projects",
    "sync": "sync",
    "api-keys": "api-keys",
    **dict.fromkeys(("webhooks", "deliveries", "replays", "events", "event-types"), "webhooks"),
    "emails": "emails",
    "billing": "billing",
    **dict.fromkeys(("members", "invitations"), "members"),
    "workspaces": "workspaces",
    "audit-log": "audit-log",
    "me": "me",
}
CONFIDENTIAL = {"/api/v1/webhooks/{webhook_id}/secret"}
"""What a key that only reads does not see."""
FOR_ADMINS = {"api-keys", "webhooks", "emails", "billing", "audit-log"}


def resource_of(path: str) -> str:
    """What a path is about, read from it alone."""
    segments = path.removeprefix("/api/v1/").split("/")
    return "members" if {"members", "invitations"} & set(segments) else FAMILIES[segments[0]]


def opens(scope: str, route: ApiRoute) -> bool:
    """Whether a key of this one scope gets past the door, said anew in the words of the documentation."""
    (method,) = route.methods
    writing = method not in {"GET", "HEAD"} or route.path in CONFIDENTIAL
    resource = resource_of(route.path)
    for_admins = resource in FOR_ADMINS or (resource == "members" and writing) or route.access.administrative
    if resource == "me":
        return not writing or scope in {"write", "admin"}
    return {
        "admin": True,
        "write": not for_admins,
        "read": not for_admins and not writing,
        f"{resource}:write": True,
        f"{resource}:read": not writing,
    }.get(scope, False)


async def test_every_scope_opens_on_every_route_what_it_says_and_nothing_else(app, stranger, account, make_key, db):
    routes = [route for route in app.routes if isinstance(route, ApiRoute)]
    assert len(routes) >= 30
    headers = await make_key(account, "read") | {"Idempotency-Key": ""}  # a write that gets past the door ends there
    for scope in GRANTS:
        await db.execute("UPDATE api.api_keys SET scopes = $1 WHERE name = 'k'", [scope])
        for route in routes:
            (method,) = route.methods
            path = re.sub(r"\{\w+(:\w+)?\}", str(uuid4()), route.path)
            answer = await stranger.request(method, path, headers=headers, json=None if method == "GET" else {})
            assert answer.status_code < 500 or answer.status_code == 503, (scope, method, path, answer.text)
            assert (answer.status_code != 403) is opens(scope, route), (scope, method, path, answer.text)
            if answer.status_code == 403:
                error = answer.json()["error"]
                assert error["code"] == "FORBIDDEN"
                assert error["details"] == [{"field": "scopes", "message": f"{route.access.scope} is missing"}]
                assert opens(route.access.scope, route)
            elif method != "GET":
                assert answer.status_code == 400, (scope, method, path, answer.text)


def test_there_is_no_route_without_a_resource(app):
    for route in app.routes:
        if isinstance(route, APIRoute) and route.path.startswith("/api/v1"):
            assert isinstance(route, ApiRoute), route.path
            assert isinstance(route.resource, Resource), route.path
            assert route.access.resource == resource_of(route.path), route.path
            assert route.access.writing is (READING.isdisjoint(route.methods) or route.path in CONFIDENTIAL)


async def test_a_route_that_names_no_resource_is_entered_by_nobody(app, client):
    async def entered(_caller: Authenticated) -> None:
        return None

    app.router.routes.append(ApiRoute("/api/v1/forgotten", entered, methods=["GET"]))
    assert (await client.get("/api/v1/forgotten")).status_code == 500


@pytest.mark.parametrize("role", ["member", "admin"])
async def test_a_scope_never_replaces_the_role(stranger, make_member, db, role):
    person = await make_member(role)
    scopes = ["admin", "api-keys:write", "webhooks:write", "audit-log:read", "emails:read", "billing:read"]
    await db.execute("UPDATE api.api_keys SET scopes = $1 WHERE user_id = $2", scopes, person.user_id)
    for path in ("api-keys", "webhooks", "audit-log", "emails", "billing/subscription"):
        answer = await stranger.get(f"/api/v1/{path}", headers=person.headers)
        assert (answer.status_code == 403) is (role == "member"), path


async def test_scopes_add_up_and_unknown_ones_grant_nothing(stranger, account, make_key, db):
    headers = await make_key(account, "tasks:read", "projects:write")
    assert (await stranger.get("/api/v1/tasks", headers=headers)).status_code == 200
    assert (await stranger.post("/api/v1/tasks", headers=headers, json={"title": "T"})).status_code == 403
    assert (await stranger.post("/api/v1/projects", headers=headers, json={"name": "P"})).status_code == 201
    await db.execute("UPDATE api.api_keys SET scopes = '{tasks:archive,root}' WHERE name = 'k'")
    assert (await stranger.get("/api/v1/tasks", headers=headers)).status_code == 403
    assert (await stranger.get("/api/v1/me", headers=headers)).status_code == 403


async def test_a_refused_scope_counts_as_a_request_and_comes_before_any_400(stranger, account, make_key):
    headers = await make_key(account, "read")
    for body in ({"json": {}}, {"content": b"{", "headers": {"content-type": "application/json"}}):
        answer = await stranger.post("/api/v1/tasks", **{**body, "headers": headers | body.get("headers", {})})
        assert answer.status_code == 403
        assert int(answer.headers["x-ratelimit-remaining"]) < int(answer.headers["x-ratelimit-limit"])
    assert (
        await stranger.get("/api/v1/tasks/nonsense", headers=await make_key(account, "emails:read"))
    ).status_code == 403


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        (["admin"], [*GRANTS], []),
        (["write"], ["read", "write", "tasks:write", "projects:read", "sync:read"], []),
        (["write"], ["admin", "api-keys:read", "members:write", "billing:read"], ...),
        (["read"], ["tasks:write", "write"], ...),
        (["read"], ["tasks:read", "projects:read"], []),
        (["tasks:write"], ["tasks:read", "tasks:write"], []),
        (["tasks:write"], ["read", "projects:read"], ...),
        (["api-keys:write"], ["admin", "read", "audit-log:read"], ...),
        (["write", "members:read"], ["members:read"], []),
        (["read"], ["members:read", "workspaces:read"], ...),
        ([], ["read"], ...),
        ([name for name in GRANTS if name != "admin"], ["admin"], ...),
        (["unknown"], ["read"], ...),
        (["read"], ["unknown"], ...),
    ],
    ids=str,
)
def test_what_may_be_handed_out_is_what_is_held(held, wanted, missing):
    assert beyond(frozenset(held), wanted) == (wanted if missing is ... else missing)


def test_writing_implies_reading_and_only_admin_grants_what_has_no_scope_of_its_own():
    for scope, granted in GRANTS.items():
        for access in granted:
            assert (
                not access.writing or access._replace(writing=False) in granted or access.resource is Resource.MEMBERS
            )
            assert permits(frozenset({scope}), access)
    odd = Access.to(Resource.TASKS, writing=False, administrative=True)
    assert odd.scope == "admin"
    assert [scope for scope in GRANTS if permits(frozenset({scope}), odd)] == ["admin"]
