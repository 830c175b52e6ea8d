import asyncio
from uuid import UUID, uuid4

import pytest


def of(shared, account) -> str:
    return f"{shared.path}/members/{account.user_id}"


@pytest.fixture
def roles(db):
    async def read(shared):
        rows = await db.fetch("SELECT user_id, role FROM api.memberships WHERE workspace_id = $1", shared.id)
        return {row["user_id"]: row["role"] for row in rows}

    return read


async def test_members_are_read_by_page_by_cursor_and_one_by_one(shared):
    joined = [await shared.joins("member") for _ in range(4)]
    path = f"{shared.path}/members"
    everyone = [str(shared.owner.user_id), *(str(each.user_id) for each in joined)]

    page = (await shared.client.get(path, params={"perPage": 3})).json()
    assert [row["userId"] for row in page["data"]] == everyone[:3]
    assert page["meta"]["total"] == 5
    found, cursor = [], ""
    while cursor is not None:
        read = (await shared.client.get(path, params={"perPage": 2, "cursor": cursor})).json()
        found += [row["userId"] for row in read["data"]]
        cursor = read["meta"]["nextCursor"]
    assert found == everyone

    one = await shared.client.get(of(shared, joined[0]))
    assert (one.json()["data"]["email"], one.json()["data"]["role"]) == (joined[0].email, "member")
    assert (await shared.client.get(f"{path}/{uuid4()}")).status_code == 404


async def test_another_workspace_s_members_are_nobody_s_business(shared, neighbour):
    for method, path in (
        ("GET", f"{shared.path}/members"),
        ("GET", of(shared, shared.owner)),
        ("PATCH", of(shared, shared.owner)),
        ("DELETE", of(shared, shared.owner)),
    ):
        assert (await neighbour.request(method, path, json={"role": "admin"})).status_code == 404


# Who may do what: the caller's role, the other's role, and the answer to making them owner, admin and member, and to removing them.
@pytest.mark.parametrize(
    ("caller", "other", "expected"),
    [
        ("owner", "owner", (200, 200, 200, 204)),
        ("owner", "admin", (200, 200, 200, 204)),
        ("owner", "member", (200, 200, 200, 204)),
        ("admin", "owner", (200, 403, 403, 403)),
        ("admin", "admin", (403, 200, 200, 204)),
        ("admin", "member", (403, 200, 200, 204)),
        ("member", "owner", (403, 403, 403, 403)),
        ("member", "admin", (403, 403, 403, 403)),
        ("member", "member", (403, 403, 403, 403)),
    ],
)
async def test_who_may_do_what_to_whom(shared, calling_with, db, caller, other, expected):
    acting, acted_on = await shared.joins(caller), await shared.joins(other)
    answers = []
    async with calling_with(acting) as client:
        for role in ("owner", "admin", "member"):
            answers.append((await client.patch(of(shared, acted_on), json={"role": role})).status_code)
            await db.execute(
                "UPDATE api.memberships SET role = $1 WHERE user_id = $2 AND workspace_id = $3",
                other,
                acted_on.user_id,
                shared.id,
            )
        answers.append((await client.delete(of(shared, acted_on))).status_code)
    assert tuple(answers) == expected


async def test_a_new_role_counts_at_once_and_is_told_once(shared, told, calling_with):
    member = await shared.joins("member")
    async with calling_with(member) as client:
        assert (await client.patch(shared.path, json={"name": "x"})).status_code == 403
        for _ in range(2):
            answer = await shared.client.put(of(shared, member), json={"role": "admin"})
            assert answer.json()["data"]["role"] == "admin"
        assert (await client.patch(shared.path, json={"name": "x"})).status_code == 200
    (event,) = [event for event in await told(shared.id, "membership") if event["type"] == "membership.updated"]
    assert event["changes"] == {"role": {"from": "member", "to": "admin"}}
    assert event["data"] == {"workspaceId": str(shared.id), "userId": str(member.user_id), "role": "admin"}


async def test_a_role_that_somebody_else_has_changed_is_not_overwritten(shared):
    member = await shared.joins("member")
    seen = (await shared.client.get(of(shared, member))).headers["etag"]
    assert (await shared.client.patch(of(shared, member), json={"role": "admin"})).status_code == 200
    for method in ("PATCH", "DELETE"):
        answer = await shared.client.request(
            method, of(shared, member), json={"role": "owner"}, headers={"If-Match": seen}
        )
        assert answer.status_code == 412


@pytest.mark.parametrize("body", [{"role": "king"}, {"role": None}, {"name": "x"}])
async def test_a_role_that_is_none_is_refused(shared, body):
    assert (await shared.client.patch(of(shared, shared.owner), json=body)).status_code == 400


async def test_the_last_owner_neither_leaves_nor_becomes_anything_else(shared, roles):
    await shared.joins("admin")
    for method in ("PATCH", "DELETE"):
        answer = await shared.client.request(method, of(shared, shared.owner), json={"role": "member"})
        assert answer.status_code == 409
    other = await shared.joins("owner")
    assert (await shared.client.patch(of(shared, shared.owner), json={"role": "member"})).status_code == 200
    found = await roles(shared)
    assert (found[shared.owner.user_id], found[other.user_id]) == ("member", "owner")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_owners_who_unmake_each_other_at_once_leave_one(shared, roles, sign_in, method):
    owners = [shared.owner, *[await shared.joins("owner") for _ in range(3)]]
    clients = [await sign_in(owner) for owner in owners]
    answers = await asyncio.gather(
        *(
            client.request(method, of(shared, other), json={"role": "member"})
            for client, other in zip(clients, [*owners[1:], owners[0]], strict=True)
        ),
        *(
            client.request(method, of(shared, owner), json={"role": "member"})
            for client, owner in zip(clients, owners, strict=True)
        ),
    )
    assert {answer.status_code for answer in answers} <= {200, 204, 403, 404, 409}
    assert list((await roles(shared)).values()).count("owner") == 1


async def test_removing_somebody_ends_their_keys_here_and_nowhere_else(shared, make_account, told, calling_with, db):
    account = await make_account()
    member = await shared.joins("member", account)
    async with calling_with(member) as client:
        assert (await client.get("/api/v1/tasks")).status_code == 200
        assert (await shared.client.delete(of(shared, member))).status_code == 204
        assert (await client.get("/api/v1/tasks")).status_code == 401
    async with calling_with(account) as client:
        assert (await client.get("/api/v1/tasks")).status_code == 200
    assert (await shared.client.get(of(shared, member))).status_code == 404
    assert (
        await db.fetchval(
            "SELECT count(*) FROM api.api_keys WHERE workspace_id = $1 AND user_id = $2", shared.id, member.user_id
        )
        == 0
    )
    event = (await told(shared.id, "membership"))[-1]
    assert (event["type"], event["actor"]) == ("membership.deleted", f"user:{shared.owner.user_id}")
    assert event["subject"] == str(member.user_id)


async def test_a_key_that_is_being_made_while_its_maker_is_removed_opens_nothing(shared, calling_with, db):
    for _ in range(5):
        admin = await shared.joins("admin")
        async with calling_with(admin) as client:
            made, _ = await asyncio.gather(
                client.post("/api/v1/api-keys", json={"name": "late"}), shared.client.delete(of(shared, admin))
            )
        assert made.status_code in {201, 401}
        assert (
            await db.fetchval(
                "SELECT count(*) FROM api.api_keys WHERE user_id = $1 AND workspace_id = $2", admin.user_id, shared.id
            )
            == 0
        )


async def test_everybody_may_leave(shared, calling_with):
    member = await shared.joins("member")
    async with calling_with(member) as client:
        assert (await client.delete(of(shared, member))).status_code == 204
        assert (await client.get(shared.path)).status_code == 401


async def test_who_comes_back_has_a_newer_version_than_when_they_left(shared, make_account, told):
    account = await make_account()
    await shared.joins("member", account)
    await shared.client.patch(of(shared, account), json={"role": "admin"})
    await shared.client.delete(of(shared, account))
    await shared.joins("member", account)

    events = [event for event in await told(shared.id, "membership") if event["subject"] == str(account.user_id)]
    assert [event["type"].partition(".")[2] for event in events] == ["created", "updated", "deleted", "created"]
    versions = [event["aggregateversion"] for event in events]
    assert versions == sorted(set(versions))


async def test_open_tasks_of_who_was_removed_are_taken_off_them_and_done_ones_are_not(
    shared, calling_with, db, outbox, until
):
    member = await shared.joins("member")
    async with calling_with(shared.owner) as client:
        project = (await client.post("/api/v1/projects", json={"name": "P"})).json()["data"]["id"]
        mine = {"assigneeId": str(member.user_id), "projectId": project}
        open_ = [
            (await client.post("/api/v1/tasks", json={"title": "T", **mine, "status": status})).json()["data"]["id"]
            for status in ("TODO", "IN_PROGRESS")
        ]
        done = (await client.post("/api/v1/tasks", json={"title": "D", **mine, "status": "DONE"})).json()["data"]["id"]
        other = {"title": "O", "assigneeId": str(shared.owner.user_id)}
        others = (await client.post("/api/v1/tasks", json=other)).json()["data"]["id"]
        await shared.client.delete(of(shared, member))
        left = "SELECT count(*) = 0 FROM api.tasks WHERE assignee_id = $1 AND status <> 'DONE'"
        await until(lambda: db.fetchval(left, member.user_id))

        assert [(await client.get(f"/api/v1/tasks/{task}")).json()["data"]["assigneeId"] for task in open_] == [
            None
        ] * 2
        assert (await client.get(f"/api/v1/tasks/{done}")).json()["data"]["assigneeId"] == str(member.user_id)
        assert (await client.get(f"/api/v1/tasks/{others}")).json()["data"]["assigneeId"] == other["assigneeId"]
        again = await client.patch(f"/api/v1/tasks/{open_[0]}", json={"assigneeId": str(member.user_id)})
        assert again.status_code == 404
    events = [event for event in await outbox(shared.id) if event["type"] == "task.updated"]
    assert {event["subject"] for event in events} == set(open_)
    for event in events:
        assert event["changes"] == {"assigneeId": {"from": str(member.user_id), "to": None}}
        assert event["actor"] == f"user:{shared.owner.user_id}"
        assert event["data"]["project"] == {"id": project, "name": "P"}


async def test_the_answer_of_a_change_is_kept_under_its_key(shared):
    member = await shared.joins("member")
    headers = {"Idempotency-Key": "promote"}
    first = await shared.client.patch(of(shared, member), json={"role": "admin"}, headers=headers)
    second = await shared.client.patch(of(shared, member), json={"role": "admin"}, headers=headers)
    assert (first.json(), second.headers["idempotency-replayed"]) == (second.json(), "true")
    assert UUID(first.json()["data"]["userId"]) == member.user_id
