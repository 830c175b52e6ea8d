"""Every operation as every kind of caller: who is let in, who is not, and that nobody learns of another workspace."""

import re
from uuid import UUID, uuid4

import orjson
import pytest

from flowtask_api.auth.routing import ApiRoute
from flowtask_contracts.errors import NotFound

SECRET = "known-to-nobody-else"
"""Stands in the names and texts of everything that the victim has."""

ENDPOINT, DELIVERY, EMAIL = uuid4(), uuid4(), uuid4()
NEW = {
    "tasks": {"title": "T"},
    "projects": {"name": "P"},
    "api-keys": {"name": "K"},
    "webhooks": {"url": "https://example.com/x", "events": ["*"]},
    "invitations": {"email": "somebody@example.com"},
    "workspaces": {"name": "W"},
    "accept": {"token": "fti_" + "0" * 64},
    "members": {"role": "member"},
    "me": {"name": "N"},
    "rotate": {},
    "retry": None,
}
PEOPLE_ONLY = {("POST", "/api/v1/workspaces")}
OWNERS_ONLY = {("DELETE", "/api/v1/workspaces/{workspace_id}")}
NEEDS_ADMIN = re.compile(r"/(api-keys|webhooks|deliveries|emails|billing|audit-log|invitations)\b")


@pytest.fixture
def nats_url(nats_server_factory):
    return nats_server_factory().url()


def routes_of(app):
    found = [(*route.methods, route.path) for route in app.routes if isinstance(route, ApiRoute)]
    assert len(found) >= 45
    return sorted(found, key=lambda each: (each[0] == "DELETE", each))


def body_of(method, path):
    if method in {"GET", "DELETE"}:
        return None
    word = next(part for part in reversed(path.split("/")) if not part.startswith("{"))
    return NEW[word]


def needs_admin(method, path):
    """Said anew, from the documentation: keys, webhooks, mails, billing, members and the workspace itself."""
    if path == "/api/v1/invitations/accept":
        return False
    if NEEDS_ADMIN.search(path):
        return True
    return path.startswith("/api/v1/workspaces/{") and method != "GET"


@pytest.fixture
async def services(other_service):
    """Services that hold something for whatever workspace asks, as long as it is not a stranger's id."""
    found = {}
    for name in ("webhook-dispatcher", "billing", "mailer"):
        found[name] = await other_service(name)
        found[name].answers = dict.fromkeys(
            ("get-endpoint", "update-endpoint", "delete-endpoint", "list-deliveries", "get-delivery", "retry-delivery"),
            NotFound(),
        ) | {
            "get-email": NotFound(),
            "list-endpoints": {"items": [], "nextCursor": None},
            "list-emails": {"items": [], "nextCursor": None},
            "create-endpoint": {"id": str(uuid4()), "createdBy": str(uuid4()), "url": "https://example.com/x"}
            | {"events": ["*"], "description": None, "active": True}
            | dict.fromkeys(("createdAt", "updatedAt"), "2026-11-22T10:00:00.000Z"),
            "subscription": {"workspaceId": str(uuid4()), "plan": "FREE", "status": "active"}
            | {"currentPeriodEnd": None, "cancelAtPeriodEnd": False},
        }
    return found


@pytest.fixture
async def victim(shared, calling_with):
    """A workspace with something of everything; the ids by which its paths are made."""
    member = await shared.joins("member")
    async with calling_with(shared.owner) as owner:
        project = (await owner.post("/api/v1/projects", json={"name": SECRET})).json()["data"]["id"]
        task = await owner.post("/api/v1/tasks", json={"title": SECRET, "projectId": project, "description": SECRET})
        key = (await owner.post("/api/v1/api-keys", json={"name": SECRET})).json()["data"]["id"]
        invited = await owner.post(f"{shared.path}/invitations", json={"email": f"{SECRET}@example.com"})
    return {
        "workspace_id": str(shared.id),
        "user_id": str(member.user_id),
        "project_id": project,
        "task_id": task.json()["data"]["id"],
        "key_id": key,
        "invitation_id": invited.json()["data"]["id"],
        "webhook_id": str(ENDPOINT),
        "delivery_id": str(DELIVERY),
        "email_id": str(EMAIL),
    }


async def rows_of(db, workspace_id):
    """Everything of a workspace that these operations could change."""
    found = {}
    for table in ("tasks", "projects", "api_keys", "memberships", "invitations", "workspaces", "audit_entries"):
        column = "id" if table == "workspaces" else "workspace_id"
        columns = "to_jsonb(t) - 'last_used_at' - 'last_used_address'"
        rows = await db.fetch(
            f"SELECT {columns} AS row FROM api.{table} t WHERE {column} = $1",  # noqa: S608 - names of ours
            UUID(str(workspace_id)),
        )
        found[table] = sorted(row["row"] for row in rows)
    return found


async def call(client, method, path, ids, headers=None):
    where = re.sub(r"\{(\w+)\}", lambda name: ids[name.group(1)], path)
    query = (
        {"confirm": ids["workspace_id"]} if path.endswith(("/me", "{workspace_id}")) and method == "DELETE" else None
    )
    return await client.request(method, where, json=body_of(method, path), params=query, headers=headers)


async def test_without_a_credential_every_operation_is_401_and_says_nothing(app, stranger, victim, services):
    for method, path in routes_of(app):
        answer = await call(stranger, method, path, victim)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED"), (method, path)
        made_up = await call(stranger, method, path, dict.fromkeys(victim, str(uuid4())))
        assert made_up.content == answer.content
    assert not any(service.asked for service in services.values())


async def test_the_owner_of_another_workspace_learns_and_changes_nothing(
    app, make_account, calling_with, victim, services, db
):
    before = await rows_of(db, victim["workspace_id"])
    other = await make_account()
    async with calling_with(other) as client:
        for method, path in routes_of(app):
            if (method, path) == ("DELETE", "/api/v1/me"):
                continue  # it would end the caller; who it erases is never in its path
            answer = await call(client, method, path, victim)
            if "{" in path:
                assert answer.status_code == 404, (method, path, answer.text)
                made_up = await call(client, method, path, {name: str(uuid4()) for name in victim})
                assert made_up.json() == answer.json(), (method, path)
            else:
                assert answer.status_code in {200, 201, 400, 403, 404}, (method, path, answer.text)
            assert SECRET not in answer.text, (method, path)
        for query in (f"projectId={victim['project_id']}", f"assigneeId={victim['user_id']}", f"q={SECRET}"):
            answer = (await client.get(f"/api/v1/tasks?{query}")).json()
            assert (answer["data"], answer["meta"]["total"]) == ([], 0)
        for fields in ({"projectId": victim["project_id"]}, {"assigneeId": victim["user_id"]}):
            assert (await client.post("/api/v1/tasks", json={"title": "T", **fields})).status_code == 404
    assert await rows_of(db, victim["workspace_id"]) == before
    asked = [command for service in services.values() for _, command in service.asked]
    assert asked
    assert {command["workspaceId"] for command in asked} == {str(other.workspace_id)}


@pytest.mark.parametrize("role", ["member", "admin"])
async def test_a_member_does_nothing_that_needs_admin_and_an_admin_nothing_that_needs_an_owner(
    app, shared, calling_with, victim, services, role
):
    person = await shared.joins(role)
    async with calling_with(person) as client:
        for method, path in routes_of(app):
            if (method, path) in {("DELETE", "/api/v1/me"), ("DELETE", "/api/v1/api-keys/{key_id}")}:
                continue  # the one would end the caller, the other is tried by the tests of keys
            own = {**victim, "user_id": str(shared.owner.user_id)}
            answer = await call(client, method, path, own)
            refused = (
                (method, path) in PEOPLE_ONLY | OWNERS_ONLY
                or (role == "member" and needs_admin(method, path))
                or ("{user_id}" in path and method != "GET")  # the owner, whom only owners touch
                or path.endswith("/rotate")  # somebody else's key
                or (method, path) == ("DELETE", "/api/v1/workspaces/{workspace_id}")
            )
            assert (answer.status_code == 403) is refused, (method, path, answer.text)
            assert answer.status_code < 500, (method, path, answer.text)
            if refused:
                assert orjson.loads(answer.content)["data"] is None
    if role == "member":
        changing = {"create-endpoint", "update-endpoint", "delete-endpoint", "retry-delivery"}
        assert not changing & {verb for service in services.values() for verb, _ in service.asked}
