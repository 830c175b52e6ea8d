"""Every operation as every kind of caller: who is let in, who is not, and that nobody learns of another workspace."""

import re
from uuid import UUID, uuid4

import orjson
import pytest

from flowtask_api.auth.routing import ApiRoute
from flowtask_contracts.errors import NotFound
from flowtask_local.providers.clerk import ORIGIN, FakeClerk, bearer

SECRET = "known-to-nobody-else"
"""Stands in the names and texts of everything that the victim has."""

ENDPOINT, DELIVERY, EVENT, EMAIL, REPLAY = uuid4(), uuid4(), uuid4(), uuid4(), uuid4()
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
    "rotate-secret": {},
    "try": {"webhookId": str(ENDPOINT), "filter": {"path": "data.title", "eq": "T"}},
    "retry": None,
    "test": {"event": "task.created"},
    "replay": {"since": "2026-11-22T10:00:00Z"},
    "recover": None,
    "cancel": None,
    "skip": None,
}
PEOPLE_ONLY = {("POST", "/api/v1/workspaces")}
OWNERS_ONLY = {("DELETE", "/api/v1/workspaces/{workspace_id}")}
NEEDS_ADMIN = re.compile(
    r"/(api-keys|webhooks|deliveries|events|event-types|replays|emails|billing|audit-log|invitations)\b"
)


SENT_TEST = {
    "id": str(uuid4()),
    "deliveryId": str(uuid4()),
    "event": "task.created",
    "delivered": True,
    "payload": {},
    "at": "2026-11-22T10:00:00.000Z",
    "durationMs": 1,
    "statusCode": 204,
}
PICK = "X-FlowTask-Workspace"


@pytest.fixture
def nats_url(nats_server_factory):
    return nats_server_factory().url()


@pytest.fixture(scope="module")
def clerk():
    with FakeClerk() as fake:
        yield fake


@pytest.fixture
def settings(settings, clerk):
    """People may sign in with Clerk too."""
    return settings.model_copy(update={"clerk_issuer": clerk.issuer, "clerk_authorized_parties": (ORIGIN,)})


@pytest.fixture
def session_of(clerk):
    """The headers of a person who is signed in: the one of an account, else somebody new."""

    def sign_in(account=None, organization=None, **headers):
        email = account.email if account is not None else None
        person = clerk.user(first_name="Eve", email=email, email_verified=account is not None)
        return bearer(clerk.token(person, organization), **headers)

    return sign_in


def routes_of(app):
    found = [(*route.methods, route.path) for route in app.routes if isinstance(route, ApiRoute)]
    assert len(found) >= 45
    return sorted(found, key=lambda each: (each[0] == "DELETE", each))


def body_of(method, path):
    if method in {"GET", "DELETE"}:
        return None
    if path == "/api/v1/webhooks/test":
        return {"url": "https://example.com/x"}
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
            (
                *("get-endpoint", "update-endpoint", "delete-endpoint", "endpoint-health"),
                *("get-endpoint-secret", "rotate-endpoint-secret", "end-endpoint-overlap"),
                *("list-deliveries", "get-delivery", "retry-delivery", "erase-event", "try-filter"),
                *("get-event", "send-test", "poll-endpoint"),
                *("count-replay", "start-replay", "get-replay", "list-replays", "cancel-replay"),
                *("list-held-keys", "skip-delivery", "get-endpoint-public-keys"),
            ),
            NotFound(),
        ) | {
            "get-email": NotFound(),
            "list-endpoints": {"items": [], "nextCursor": None},
            "send-test-to": SENT_TEST,
            "list-events": {"items": [], "nextCursor": None},
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
        "event_id": str(EVENT),
        "event_type": str(uuid4()),
        "email_id": str(EMAIL),
        "replay_id": str(REPLAY),
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
    where = re.sub(r"\{(\w+)(?::\w+)?\}", lambda name: ids[name.group(1)], path)
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


@pytest.fixture
async def foreign(make_account, session_of, clerk, shared, stranger):
    """Headers of somebody who is in another workspace and not in the victim's, by what they show."""

    async def of(kind):
        account = await make_account()
        if kind == "key":
            return account.headers
        if kind == "person of an organization":
            return session_of(organization=clerk.organization("elsewhere"))
        if kind == "ex-member":
            await shared.joins("admin", account)
            headers = session_of(account)
            assert (await stranger.get(shared.path, headers=headers)).status_code == 200
            assert (await shared.client.delete(f"{shared.path}/members/{account.user_id}")).status_code == 204
            return headers
        return session_of(account)

    return of


@pytest.mark.parametrize("kind", ["key", "person", "person of an organization", "ex-member"])
async def test_whoever_is_in_another_workspace_learns_and_changes_nothing(
    app, stranger, foreign, victim, services, db, kind
):
    headers = await foreign(kind)
    workspace = (await stranger.get("/api/v1/me", headers=headers)).json()["data"]["workspaceId"]
    before = await rows_of(db, victim["workspace_id"])
    for method, path in routes_of(app):
        answer = await call(stranger, method, path, victim, headers)
        if "{" in path:
            assert answer.status_code == 404, (method, path, answer.text)
            made_up = await call(stranger, method, path, {name: str(uuid4()) for name in victim}, headers)
            assert made_up.json() == answer.json(), (method, path)
        else:
            assert answer.status_code in {200, 201, 400, 403, 404}, (method, path, answer.text)
        assert SECRET not in answer.text, (method, path)
    for query in (f"projectId={victim['project_id']}", f"assigneeId={victim['user_id']}", f"q={SECRET}"):
        answer = (await stranger.get(f"/api/v1/tasks?{query}", headers=headers)).json()
        assert (answer["data"], answer["meta"]["total"]) == ([], 0)
    for fields in ({"projectId": victim["project_id"]}, {"assigneeId": victim["user_id"]}):
        answer = await stranger.post("/api/v1/tasks", json={"title": "T", **fields}, headers=headers)
        assert answer.status_code == 404
    assert await rows_of(db, victim["workspace_id"]) == before
    asked = [command for service in services.values() for _, command in service.asked]
    assert asked
    assert {command["workspaceId"] for command in asked} == {workspace}


@pytest.mark.parametrize(
    ("kind", "status"), [("key", 400), ("person", 404), ("person of an organization", 400), ("ex-member", 404)]
)
async def test_naming_the_workspace_of_others_opens_it_to_nobody(
    app, stranger, foreign, victim, services, db, kind, status
):
    headers = await foreign(kind)
    before = await rows_of(db, victim["workspace_id"])
    for method, path in routes_of(app):
        answer = await call(stranger, method, path, victim, {**headers, PICK: victim["workspace_id"]})
        assert answer.status_code == status, (method, path, answer.text)
        made_up = await call(stranger, method, path, victim, {**headers, PICK: str(uuid4())})
        assert made_up.json() == answer.json(), (method, path)
    assert await rows_of(db, victim["workspace_id"]) == before
    assert not any(service.asked for service in services.values())


async def test_a_workspace_that_is_being_erased_is_open_to_nobody_who_was_in_it(
    app, shared, stranger, session_of, make_account, victim, services, db
):
    account = await make_account()
    key, session = (await shared.joins("admin", account)).headers, session_of(account)
    named = {**session, PICK: str(shared.id)}
    assert (await stranger.get("/api/v1/me", headers=named)).json()["data"]["workspaceId"] == str(shared.id)
    assert (await shared.client.delete(shared.path, params={"confirm": str(shared.id)})).status_code == 204
    for method, path in routes_of(app):
        for headers, status in ((key, 401), (named, 404)):
            answer = await call(stranger, method, path, victim, headers)
            assert answer.status_code == status, (method, path, answer.text)
        answer = await call(stranger, method, path, victim, session)
        allowed = {404} if "{" in path else {200, 201, 400, 403, 404}
        assert answer.status_code in allowed, (method, path, answer.text)
        assert SECRET not in answer.text, (method, path)
    assert await db.fetchval("SELECT count(*) FROM api.erasures WHERE workspace_id = $1", shared.id) == 1
    asked = [command for service in services.values() for _, command in service.asked]
    assert str(shared.id) not in {command["workspaceId"] for command in asked}


async def test_who_may_erase_their_account(shared, stranger, foreign, session_of, victim, db):
    """Nobody another's; the only owner of what others are in not their own; no key of a shared workspace."""

    async def erase(headers):
        user_id = (await stranger.get("/api/v1/me", headers=headers)).json()["data"]["id"]
        return (await stranger.delete("/api/v1/me", params={"confirm": user_id}, headers=headers)).status_code

    gone = [await foreign(kind) for kind in ("key", "person", "person of an organization", "ex-member")]
    before = await rows_of(db, victim["workspace_id"])
    member = await shared.joins("member")
    for headers, status in (
        *((each, 204) for each in gone),
        (shared.owner.headers, 403),
        (session_of(shared.owner), 409),
        (member.headers, 403),
        (session_of(member), 204),
    ):
        assert await erase(headers) == status
    for headers in (*gone, member.headers):
        assert (await stranger.get("/api/v1/me", headers=headers)).status_code == 401
    after = await rows_of(db, victim["workspace_id"])
    assert {table for table, rows in after.items() if rows != before[table]} == {"audit_entries"}


@pytest.mark.parametrize("role", ["member", "admin"])
async def test_a_member_does_nothing_that_needs_admin_and_an_admin_nothing_that_needs_an_owner(
    app, shared, calling_with, victim, services, role
):
    person = await shared.joins(role)
    async with calling_with(person) as client:
        for method, path in routes_of(app):
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
        changing |= {"start-replay", "cancel-replay"}
        telling = {"get-endpoint-secret", "rotate-endpoint-secret", "end-endpoint-overlap"}
        assert not (changing | telling) & {verb for service in services.values() for verb, _ in service.asked}
