"""People and organizations, made known on first sight."""

import asyncio
from collections import Counter
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import event

from flowtask_local.providers.clerk import bearer

ME = "/api/v1/me"
PICK = "X-FlowTask-Workspace"


@pytest.fixture
def me(stranger):
    """What /me answers to a token."""

    async def ask(token, **headers):
        answer = await stranger.get(ME, headers=bearer(token, **headers))
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return ask


@pytest.fixture
def told(db):
    """The events about a person, a tenant or a place in it, oldest first."""

    async def read(identity):
        rows = await db.fetch("SELECT payload FROM api.outbox ORDER BY seq")
        events = [orjson.loads(row["payload"]) for row in rows]
        return [event for event in events if str(identity) in {event["subject"], event["workspaceid"]}]

    return read


async def test_who_signs_in_for_the_first_time_is_made_known(me, clerk, told, db):
    ada = clerk.user(first_name="Ada", last_name="Lovelace", email="Ada.First@example.com")

    found = await me(clerk.token(ada))

    assert {"name": "Ada Lovelace", "email": "ada.first@example.com", "role": "owner", "operator": False}.items() <= (
        found.items()
    )
    assert [event["type"] for event in await told(found["workspaceId"])] == [
        "user.created",
        "workspace.created",
        "membership.created",
    ]
    row = await db.fetchrow("SELECT clerk_id FROM api.users WHERE email = 'ada.first@example.com'")
    assert row["clerk_id"] == ada.id
    assert await me(clerk.token(ada)) == found


async def test_whoever_has_no_address_in_the_token_has_none(me, clerk, told):
    found = await me(clerk.token(clerk.user(first_name="Nobody")))

    assert found["email"] is None
    (created,) = [event for event in await told(found["id"]) if event["type"] == "user.created"]
    assert created["data"]["email"] is None


async def test_fifty_first_requests_make_one_person_one_workspace_and_one_set_of_events(stranger, clerk, told, db):
    ada, acme = (
        clerk.user(first_name="Ada", email="fifty@example.com", email_verified=True),
        clerk.organization("fifty"),
    )
    tokens = [clerk.token(ada, acme if number % 2 else None) for number in range(50)]

    answers = await asyncio.gather(*(stranger.get(ME, headers=bearer(token)) for token in tokens))

    assert Counter(answer.status_code for answer in answers) == {200: 50}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1
    assert len({answer.json()["data"]["workspaceId"] for answer in answers}) == 2
    assert clerk.asked == 1
    user_id = answers[0].json()["data"]["id"]
    assert await db.fetchval("SELECT count(*) FROM api.users WHERE clerk_id = $1", ada.id) == 1
    assert await db.fetchval("SELECT count(*) FROM api.memberships WHERE user_id = $1", user_id) == 2
    assert Counter(event["type"] for event in await told(user_id)) == {"user.created": 1, "membership.created": 2}
    shared = answers[1].json()["data"]["workspaceId"]
    assert Counter(event["type"] for event in await told(shared)) == {"workspace.created": 1, "membership.created": 1}


async def test_many_people_of_a_new_organization_make_one_workspace_with_one_owner(stranger, clerk, db):
    acme = clerk.organization("crowd")
    tokens = [clerk.token(clerk.user(), acme) for _ in range(20)]

    answers = await asyncio.gather(*(stranger.get(ME, headers=bearer(token)) for token in tokens))

    assert len({answer.json()["data"]["workspaceId"] for answer in answers}) == 1
    assert Counter(answer.json()["data"]["role"] for answer in answers) == {"owner": 1, "admin": 19}
    assert await db.fetchval("SELECT count(*) FROM api.workspaces WHERE clerk_organization_id = $1", acme.id) == 1


async def test_a_refused_first_request_makes_the_person_known_all_the_same(stranger, clerk, me, db):
    ada = clerk.user()
    token = clerk.token(ada)

    assert (await stranger.get(f"/api/v1/tasks/{uuid4()}", headers=bearer(token))).status_code == 404

    known = await db.fetchval("SELECT id FROM api.users WHERE clerk_id = $1", ada.id)
    assert (await me(token))["id"] == str(known)


async def test_the_person_who_proves_an_address_is_the_one_who_has_it(me, clerk, account):
    ada = clerk.user(email=account.email.upper(), email_verified=True, first_name="Other")

    found = await me(clerk.token(ada))

    assert (found["id"], found["workspaceId"], found["name"]) == (
        str(account.user_id),
        str(account.workspace_id),
        "Ada",
    )


@pytest.mark.parametrize("verified", [None, False], ids=["not-told", "unproven"])
async def test_an_address_that_is_not_proved_opens_nobodys_account(me, clerk, account, verified, db):
    found = await me(clerk.token(clerk.user(email=account.email, email_verified=verified)))

    assert found["id"] != str(account.user_id)
    assert found["email"] is None
    assert await db.fetchval("SELECT clerk_id FROM api.users WHERE id = $1", account.user_id) is None


async def test_a_second_person_at_clerk_does_not_get_the_account_of_the_first(me, clerk, account):
    first = clerk.user(email=account.email, email_verified=True)
    second = clerk.user(email=account.email, email_verified=True)
    assert (await me(clerk.token(first)))["id"] == str(account.user_id)

    found = await me(clerk.token(second))

    assert found["id"] != str(account.user_id)
    assert found["email"] is None


@pytest.mark.parametrize("version", [1, 2])
async def test_an_organization_is_a_workspace_of_its_own(me, stranger, clerk, told, version):
    ada, acme = clerk.user(first_name="Ada"), clerk.organization("acme")
    own = await me(clerk.token(ada, version=version))
    shared = await me(clerk.token(ada, acme, version=version))

    assert shared["id"] == own["id"]
    assert shared["workspaceId"] != own["workspaceId"]
    assert shared["role"] == "owner"
    listed = (await stranger.get("/api/v1/workspaces", headers=bearer(clerk.token(ada, acme)))).json()["data"]
    assert [(each["id"], each["personal"]) for each in listed] == [
        (own["workspaceId"], True),
        (shared["workspaceId"], False),
    ]
    assert listed[1]["name"] == "acme"
    assert [event["type"] for event in await told(shared["workspaceId"])] == ["workspace.created", "membership.created"]


async def test_the_first_admin_owns_the_workspace_and_a_member_never_does(me, clerk, told):
    acme = clerk.organization("acme")

    member = await me(clerk.token(clerk.user(), acme, role="org:member"))
    assert member["role"] == "member"
    (joined,) = [event for event in await told(member["workspaceId"]) if event["subject"] == member["id"]]
    assert joined["data"]["role"] == "member"
    assert (await me(clerk.token(clerk.user(), acme, role="org:admin")))["role"] == "owner"
    assert (await me(clerk.token(clerk.user(), acme, role="org:admin")))["role"] == "admin"
    assert (await me(clerk.token(clerk.user(), acme, role="org:editor")))["role"] == "member"


async def test_roles_follow_clerk_and_every_change_is_told_once(me, clerk, told):
    ada, bob, acme = clerk.user(), clerk.user(), clerk.organization("acme")
    await me(clerk.token(ada, acme))
    found = await me(clerk.token(bob, acme, role="org:member", issued=-40))

    assert (await me(clerk.token(bob, acme, role="org:admin", issued=-30)))["role"] == "admin"
    assert (await me(clerk.token(bob, acme, role="org:admin", issued=-29)))["role"] == "admin"
    assert (await me(clerk.token(bob, acme, role="org:member", issued=-20)))["role"] == "member"

    changes = [event for event in await told(found["id"]) if event["type"] == "membership.updated"]
    assert [event["changes"]["role"] for event in changes] == [
        {"from": "member", "to": "admin"},
        {"from": "admin", "to": "member"},
    ]
    assert 1 < changes[0]["aggregateversion"] < changes[1]["aggregateversion"]
    assert changes[0]["data"] == {"workspaceId": found["workspaceId"], "userId": found["id"], "role": "admin"}


async def test_the_last_owner_stays_owner_whatever_clerk_says(me, clerk, told, stranger):
    ada, bob, acme = clerk.user(), clerk.user(), clerk.organization("acme")
    found = await me(clerk.token(ada, acme, issued=-40))
    demoted = clerk.token(ada, acme, role="org:member", issued=-30)

    for _ in range(3):
        assert (await me(demoted))["role"] == "owner"
    assert await me(clerk.token(ada, acme, role="org:member", issued=-29)) == {**found, "role": "owner"}

    other = await me(clerk.token(bob, acme, issued=-20))
    assert other["role"] == "admin"
    where = f"/api/v1/workspaces/{found['workspaceId']}/members/{other['id']}"
    answer = await stranger.patch(where, headers=bearer(demoted), json={"role": "owner"})
    assert answer.status_code == 200
    assert (await me(clerk.token(ada, acme, role="org:member", issued=-10)))["role"] == "member"
    changes = [event["subject"] for event in await told(found["workspaceId"]) if event["type"] == "membership.updated"]
    assert changes == [other["id"], found["id"]]


async def test_a_workspace_first_seen_through_a_member_gets_its_owner_with_the_first_admin(me, clerk, stranger):
    ada, bob, acme = clerk.user(), clerk.user(), clerk.organization("acme")
    member = clerk.token(ada, acme, role="org:member", issued=-20)
    assert (await me(member))["role"] == "member"
    assert (await stranger.post("/api/v1/tasks", headers=bearer(member), json={"title": "T"})).status_code == 201
    refused = await stranger.post("/api/v1/api-keys", headers=bearer(member), json={"name": "K"})
    assert refused.status_code == 403

    assert (await me(clerk.token(ada, acme, issued=-10)))["role"] == "owner", "made admin at Clerk"
    assert (await me(clerk.token(bob, acme)))["role"] == "admin"


async def test_what_clerk_says_of_members_is_in_the_audit_log_by_the_system(me, clerk, stranger):
    ada, bob, acme = clerk.user(), clerk.user(), clerk.organization("acme")
    owner = clerk.token(ada, acme)
    ada_id = (await me(owner))["id"]
    bob_id = (await me(clerk.token(bob, acme, role="org:member", issued=-20)))["id"]
    await me(clerk.token(bob, acme, role="org:admin", issued=-10))

    log = (await stranger.get("/api/v1/audit-log", headers=bearer(owner))).json()["data"]

    assert {(entry["actorId"], entry["keyId"]) for entry in log} == {(None, None)}
    assert [(entry["action"], entry["targetId"], entry["details"]) for entry in reversed(log)] == [
        ("workspace.created", log[-1]["targetId"], {}),
        ("member.joined", ada_id, {"role": "owner"}),
        ("member.joined", bob_id, {"role": "member"}),
        ("member.updated", bob_id, {"changes": {"role": {"from": "member", "to": "admin"}}}),
    ]


async def test_who_was_removed_and_comes_back_by_clerk_keeps_what_is_theirs(me, clerk, stranger, db):
    """What they left behind is not cleared up behind their back."""
    ada, bob, acme = clerk.user(), clerk.user(), clerk.organization("acme")
    owner = clerk.token(ada, acme)
    workspace = (await me(owner))["workspaceId"]
    bob_id = (await me(clerk.token(bob, acme, role="org:member")))["id"]
    where = f"/api/v1/workspaces/{workspace}/members/{bob_id}"
    assert (await stranger.delete(where, headers=bearer(owner))).status_code == 204
    assert await db.fetchval("SELECT count(*) FROM api.erasures WHERE user_id = $1::uuid", bob_id) == 1

    assert (await me(clerk.token(bob, acme, role="org:member")))["role"] == "member"

    assert await db.fetchval("SELECT count(*) FROM api.erasures WHERE user_id = $1::uuid", bob_id) == 0


async def test_an_older_token_brings_no_role_back(me, clerk):
    ada, bob, acme = clerk.user(), clerk.user(), clerk.organization("acme")
    await me(clerk.token(ada, acme))
    of_before = clerk.token(bob, acme, role="org:admin", issued=-20)
    assert (await me(of_before))["role"] == "admin"

    assert (await me(clerk.token(bob, acme, role="org:member", issued=-10)))["role"] == "member"

    assert (await me(of_before))["role"] == "member"


async def test_a_header_picks_a_workspace_of_the_persons_own(me, clerk, make_member, account):
    ada = clerk.user(email=(await make_member("admin")).email, email_verified=True)
    personal = await me(clerk.token(ada))

    picked = await me(clerk.token(ada), **{PICK: str(account.workspace_id)})

    assert (picked["workspaceId"], picked["role"]) == (str(account.workspace_id), "admin")
    assert personal["workspaceId"] != picked["workspaceId"]
    assert await me(clerk.token(ada), **{PICK: personal["workspaceId"].upper()}) == personal


async def test_workspaces_of_others_are_not_found(stranger, clerk, account):
    token = clerk.token(clerk.user())
    for workspace_id in (account.workspace_id, uuid4()):
        answer = await stranger.get(ME, headers=bearer(token, **{PICK: str(workspace_id)}))
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Workspace not found")


@pytest.mark.parametrize("value", ["", "1", "me", "{00000000-0000-7000-8000-000000000000}", "0" * 32, "' OR 1=1"])
async def test_a_workspace_that_is_no_id_is_400(stranger, clerk, value):
    answer = await stranger.get(ME, headers=bearer(clerk.token(clerk.user()), **{PICK: value}))

    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == [{"field": PICK, "message": "must be the id of a workspace"}]


async def test_a_header_may_name_the_organizations_workspace_and_no_other(me, stranger, clerk):
    ada, acme = clerk.user(), clerk.organization("acme")
    own, shared = await me(clerk.token(ada)), await me(clerk.token(ada, acme))

    assert await me(clerk.token(ada, acme), **{PICK: shared["workspaceId"]}) == shared
    for other in (own["workspaceId"], str(uuid4())):
        answer = await stranger.get(ME, headers=bearer(clerk.token(ada, acme), **{PICK: other}))
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["field"] == PICK


async def test_strangers_learn_nothing_from_the_header(stranger):
    for credential in ({}, bearer("eyJ.eyJ.eyJ")):
        answer = await stranger.get(ME, headers={**credential, PICK: "nonsense"})
        assert answer.status_code == 401


async def test_a_person_works_with_tasks_like_a_key_and_sees_no_other_tenant(stranger, clerk, client, outbox, me):
    ada = clerk.user(first_name="Ada")
    headers = bearer(clerk.token(ada))
    theirs = (await client.post("/api/v1/tasks", json={"title": "Of another"})).json()["data"]

    made = await stranger.post("/api/v1/tasks", headers=headers, json={"title": "Mine"})
    task = f"/api/v1/tasks/{made.json()['data']['id']}"

    assert made.status_code == 201
    assert (await stranger.patch(task, headers=headers, json={"title": "Still mine"})).status_code == 200
    assert [row["title"] for row in (await stranger.get("/api/v1/tasks", headers=headers)).json()["data"]] == [
        "Still mine"
    ]
    assert (await client.get(task)).status_code == 404
    assert (await stranger.get(f"/api/v1/tasks/{theirs['id']}", headers=headers)).status_code == 404
    assert (await stranger.delete(task, headers=headers)).status_code == 204
    known = await me(clerk.token(ada))
    events = await outbox(known["workspaceId"])
    assert {event["actor"] for event in events} == {f"user:{known['id']}"} or events == []


async def test_an_idempotency_key_of_a_persons_first_request_takes_effect_once(stranger, clerk):
    headers = bearer(clerk.token(clerk.user()), **{"Idempotency-Key": "first"})

    one, two = [await stranger.post("/api/v1/tasks", headers=headers, json={"title": "T"}) for _ in range(2)]

    assert (one.status_code, one.json()) == (201, two.json())


async def test_members_of_an_organization_may_not_make_keys_and_owners_may(stranger, clerk):
    acme = clerk.organization("acme")
    owner, member = clerk.token(clerk.user(), acme), clerk.token(clerk.user(), acme, role="org:member")

    for token, status in ((owner, 201), (member, 403)):
        answer = await stranger.post("/api/v1/api-keys", headers=bearer(token), json={"name": "K"})
        assert answer.status_code == status


async def test_a_person_who_was_removed_here_is_made_known_again(me, clerk, db):
    ada = clerk.user()
    before = await me(clerk.token(ada))
    await db.execute("UPDATE api.users SET clerk_id = NULL WHERE id = $1::uuid", before["id"])

    after = await me(clerk.token(ada))

    assert after["id"] != before["id"]


async def test_a_known_person_costs_no_more_statements_than_a_key(app, stranger, clerk, account, me):
    """Neither with a token that was seen before nor with the next one."""
    ada, acme = clerk.user(), clerk.organization("acme")
    statements = []
    engine = app.state.resources.database.engine.sync_engine

    @event.listens_for(engine, "checkout")
    def listen(connection, *_):
        connection.driver_connection.add_query_logger(lambda record: statements.append(record.query))

    async def count(headers):
        statements.clear()
        assert (await stranger.get(ME, headers=headers)).status_code == 200
        return len(set(statements))

    known = await count(account.headers)
    for organization in (None, acme):
        await me(clerk.token(ada, organization))
        token = clerk.token(ada, organization)
        assert await count(bearer(token)) == await count(bearer(token)) == known
