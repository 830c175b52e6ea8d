from uuid import uuid4

import orjson


async def test_me_is_the_user_and_the_workspace_of_the_key(client, account):
    me = (await client.get("/api/v1/me")).json()["data"]

    assert {
        "id": str(account.user_id),
        "email": account.email,
        "name": "Ada",
        "workspaceId": str(account.workspace_id),
        "role": "owner",
        "operator": False,
    }.items() <= me.items()


async def test_a_key_sees_the_one_workspace_it_belongs_to(client, account):
    (workspace,) = (await client.get("/api/v1/workspaces")).json()["data"]

    assert (workspace["id"], workspace["personal"], workspace["role"]) == (str(account.workspace_id), True, "owner")


async def test_members_are_listed_to_members_only(client, neighbour, account, make_member):
    member = await make_member("member")
    path = f"/api/v1/workspaces/{account.workspace_id}/members"

    members = (await client.get(path)).json()["data"]

    assert [(row["userId"], row["role"]) for row in members] == [
        (str(account.user_id), "owner"),
        (str(member.user_id), "member"),
    ]
    assert (await neighbour.get(path)).status_code == 404
    assert (await client.get(f"/api/v1/workspaces/{uuid4()}/members")).status_code == 404


async def test_a_new_user_tells_internal_events_in_the_same_transaction(account, db):
    rows = await db.fetch("SELECT subject, payload FROM api.outbox WHERE subject LIKE 'internal.%' ORDER BY seq")
    told = [
        (row["subject"], orjson.loads(row["payload"])["data"])
        for row in rows
        if orjson.loads(row["payload"])["workspaceid"] == str(account.workspace_id)
    ]

    assert [subject for subject, _ in told] == [
        "internal.user.created",
        "internal.workspace.created",
        "internal.membership.created",
    ]
    assert told[0][1]["email"] == account.email
    assert told[2][1] == {
        "workspaceId": str(account.workspace_id),
        "userId": str(account.user_id),
        "role": "owner",
    }
