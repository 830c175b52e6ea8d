from uuid import UUID, uuid4

import pytest

WORKSPACES = "/api/v1/workspaces"


async def test_a_person_makes_a_shared_workspace_and_owns_it(sign_in, account, told):
    client = await sign_in(account)
    answer = await client.post(WORKSPACES, json={"name": "Engine room"})

    assert answer.status_code == 201
    made = answer.json()["data"]
    assert (made["name"], made["personal"], made["role"]) == ("Engine room", False, "owner")
    assert answer.headers["location"] == f"{WORKSPACES}/{made['id']}"
    events = await told(UUID(made["id"]))
    assert [event["type"] for event in events] == ["workspace.created", "membership.created"]
    assert {event["actor"] for event in events} == {f"user:{account.user_id}"}


async def test_a_key_belongs_to_one_workspace_and_makes_no_other(client):
    answer = await client.post(WORKSPACES, json={"name": "Mine"})
    assert answer.status_code == 403
    assert "API key belongs to one workspace" in answer.json()["error"]["message"]


async def test_a_person_sees_all_of_their_workspaces_page_by_page_and_a_key_its_own(shared, calling_with):
    owner = shared.client
    listed = (await owner.get(WORKSPACES)).json()
    assert [(each["personal"], each["role"]) for each in listed["data"]] == [(True, "owner"), (False, "owner")]
    assert listed["meta"] == {"page": 1, "perPage": 20, "total": 2}
    second = (await owner.get(WORKSPACES, params={"page": 2, "perPage": 1})).json()
    assert [each["id"] for each in second["data"]] == [str(shared.id)]
    async with calling_with(shared.owner) as client:
        assert [each["id"] for each in (await client.get(WORKSPACES)).json()["data"]] == [str(shared.id)]


async def test_one_workspace_is_shown_to_its_members_alone(shared, neighbour, calling_with):
    member = await shared.joins("member")
    async with calling_with(member) as client:
        shown = await client.get(shared.path)
        assert (shown.json()["data"]["name"], shown.json()["data"]["role"]) == ("Engine room", "member")
        assert (await client.get(shared.path, headers={"If-None-Match": shown.headers["etag"]})).status_code == 304
    for path in (shared.path, f"{WORKSPACES}/{uuid4()}"):
        assert (await neighbour.get(path)).status_code == 404


async def test_a_key_does_not_open_the_other_workspaces_of_its_person(shared, make_account, sign_in, calling_with):
    account = await make_account()
    await shared.joins("admin", account)
    async with calling_with(account) as client:
        for method in ("GET", "PATCH", "DELETE"):
            answer = await client.request(method, shared.path, params={"confirm": str(shared.id)}, json={"name": "x"})
            assert answer.status_code == 404
    assert (await (await sign_in(account)).get(shared.path)).status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_admins_rename_it_and_it_is_told_once(shared, told, calling_with, method):
    async with calling_with(await shared.joins("admin")) as client:
        seen = (await client.get(shared.path)).headers["etag"]
        for _ in range(2):
            answer = await client.request(method, shared.path, json={"name": "Bridge"})
            assert answer.json()["data"]["name"] == "Bridge"
        stale = await client.request(method, shared.path, json={"name": "Deck"}, headers={"If-Match": seen})
        assert stale.status_code == 412
        assert (await client.request(method, shared.path, json={})).status_code == 200
    (event,) = [event for event in await told(shared.id, "workspace") if event["type"] == "workspace.updated"]
    assert event["changes"] == {"name": {"from": "Engine room", "to": "Bridge"}}
    assert event["aggregateversion"] == 2


async def test_members_rename_nothing_and_strangers_find_nothing(shared, neighbour, calling_with):
    async with calling_with(await shared.joins("member")) as client:
        assert (await client.patch(shared.path, json={"name": "x"})).status_code == 403
    assert (await neighbour.patch(shared.path, json={"name": "x"})).status_code == 404
    assert (await shared.client.get(shared.path)).json()["data"]["name"] == "Engine room"
