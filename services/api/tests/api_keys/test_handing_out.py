"""A key never hands out more than it holds, whatever way it is tried."""

import pytest

KEYS = "/api/v1/api-keys"


@pytest.fixture
async def narrow(account, make_key):
    """A key that manages keys, and itself does nothing but read and write tasks."""
    return await make_key(account, "api-keys:write", "tasks:write")


async def ids(client):
    return [row["id"] for row in (await client.get(KEYS)).json()["data"]]


def assert_missing(answer, *scopes):
    assert answer.status_code == 403, answer.text
    details = answer.json()["error"]["details"]
    assert [detail["message"] for detail in details] == [f"{scope} is missing" for scope in scopes]


async def test_creating_a_wider_key_is_refused_and_makes_none(client, stranger, narrow):
    before = await ids(client)
    assert_missing(await stranger.post(KEYS, headers=narrow, json={"name": "K"}), "admin")
    wider = {"name": "K", "scopes": ["tasks:read", "read", "webhooks:read", "projects:write"]}
    assert_missing(await stranger.post(KEYS, headers=narrow, json=wider), "read", "projects:write", "webhooks:read")
    assert await ids(client) == before

    made = await stranger.post(KEYS, headers=narrow, json={"name": "K", "scopes": ["tasks:read", "api-keys:read"]})
    assert made.status_code == 201
    assert made.json()["data"]["scopes"] == ["tasks:read", "api-keys:read"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_widening_a_key_is_refused_its_own_too(client, stranger, narrow, method):
    mine, first = await ids(client)
    for body in ({"scopes": ["admin"]}, {"scopes": ["tasks:write", "admin"], "name": "K"}):
        assert_missing(await stranger.request(method, f"{KEYS}/{mine}", headers=narrow, json=body), "admin")
    for body in ({"expiresAt": None}, {"expiresAt": "2999-01-01T00:00:00Z"}):
        assert_missing(await stranger.request(method, f"{KEYS}/{first}", headers=narrow, json=body), "admin")
    assert (await client.get(f"{KEYS}/{first}")).json()["data"]["expiresAt"] is None
    assert (await stranger.request(method, f"{KEYS}/{first}", headers=narrow, json={"name": "R"})).status_code == 200
    less = await stranger.request(method, f"{KEYS}/{mine}", headers=narrow, json={"scopes": ["api-keys:write"]})
    assert less.json()["data"]["scopes"] == ["api-keys:write"]
    assert (await stranger.get("/api/v1/tasks", headers=narrow)).status_code == 403


async def test_rotating_a_wider_key_is_refused(client, stranger, narrow):
    mine, first = await ids(client)
    assert_missing(await stranger.post(f"{KEYS}/{first}/rotate", headers=narrow), "admin")
    assert (await client.get(f"{KEYS}/{first}")).json()["data"]["rotatedTo"] is None
    renewed = await stranger.post(f"{KEYS}/{mine}/rotate", headers=narrow)
    assert sorted(renewed.json()["data"]["scopes"]) == ["api-keys:write", "tasks:write"]


async def test_only_its_own_person_rotates_a_key_and_gets_its_secret(client, stranger, make_member):
    admin = await make_member("admin")
    theirs = next(row for row in (await client.get(KEYS)).json()["data"] if row["userId"] == str(admin.user_id))

    refused = await client.post(f"{KEYS}/{theirs['id']}/rotate")
    assert refused.status_code == 403
    assert "Only the person whose key this is" in refused.json()["error"]["message"]
    assert "ft_" not in refused.text
    assert (await stranger.get("/api/v1/me", headers=admin.headers)).status_code == 200

    renewed = (await stranger.post(f"{KEYS}/{theirs['id']}/rotate", headers=admin.headers)).json()["data"]
    assert renewed["userId"] == str(admin.user_id)
    assert (await client.delete(f"{KEYS}/{renewed['id']}")).status_code == 204


async def test_an_operators_key_is_kept_alive_by_operators_keys_only(client, stranger, account, make_key):
    operator = await make_key(account, "admin", operator=True)
    theirs, _ = await ids(client)
    for answer in (
        await client.post(f"{KEYS}/{theirs}/rotate"),
        await client.patch(f"{KEYS}/{theirs}", json={"expiresAt": "2999-01-01T00:00:00Z"}),
    ):
        assert answer.status_code == 403
        assert "operator" in answer.json()["error"]["message"]
    made = (await stranger.post(KEYS, headers=operator, json={"name": "K"})).json()["data"]
    assert made["operator"] is False
    renewed = (await stranger.post(f"{KEYS}/{theirs}/rotate", headers=operator)).json()["data"]
    assert renewed["operator"] is True
