import hashlib
import re


async def test_a_key_is_shown_once_and_masked_ever_after(client, stranger):
    created = await client.post("/api/v1/api-keys", json={"name": "Build server"})
    key = created.json()["data"]
    assert created.status_code == 201
    assert created.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"ft_[0-9a-f]{64}", key["key"])
    assert set(key) == {
        *("id", "name", "key", "userId", "scopes", "operator", "createdAt", "expiresAt"),
        *("lastUsedAt", "lastUsedAddress", "rotatedFrom", "rotatedTo"),
    }
    assert (key["scopes"], key["expiresAt"]) == (["admin"], None)
    shown = await client.get(created.headers["location"])
    assert shown.json()["data"] == key | {"key": f"ft_****{key['key'][-4:]}"}

    listed = (await client.get("/api/v1/api-keys")).json()
    assert listed["data"][0] == key | {"key": f"ft_****{key['key'][-4:]}"}
    assert listed["meta"] == {"page": 1, "perPage": 20, "total": 2}
    assert (await stranger.get("/api/v1/me", headers={"authorization": f"Bearer {key['key']}"})).status_code == 200


async def test_a_revoked_key_opens_nothing_from_then_on(client, stranger):
    key = (await client.post("/api/v1/api-keys", json={"name": "K"})).json()["data"]
    answer = await client.delete(f"/api/v1/api-keys/{key['id']}")
    assert (answer.status_code, answer.content) == (204, b"")

    refused = await stranger.get("/api/v1/me", headers={"authorization": f"Bearer {key['key']}"})

    assert refused.status_code == 401
    assert [row["id"] for row in (await client.get("/api/v1/api-keys")).json()["data"]] != [key["id"]]
    assert (await client.delete(f"/api/v1/api-keys/{key['id']}")).status_code == 404


async def test_a_key_can_revoke_itself(client):
    (mine,) = (await client.get("/api/v1/api-keys")).json()["data"]
    assert (await client.delete(f"/api/v1/api-keys/{mine['id']}")).status_code == 204
    assert (await client.get("/api/v1/me")).status_code == 401


async def test_keys_of_another_workspace_are_not_found(client, neighbour):
    (mine,) = (await client.get("/api/v1/api-keys")).json()["data"]

    assert (await neighbour.delete(f"/api/v1/api-keys/{mine['id']}")).status_code == 404
    assert mine["id"] not in {row["id"] for row in (await neighbour.get("/api/v1/api-keys")).json()["data"]}
    assert (await client.get("/api/v1/me")).status_code == 200


async def test_a_key_is_nowhere_in_the_database(client, db):
    key = (await client.post("/api/v1/api-keys", json={"name": "K"})).json()["data"]["key"]
    tables = await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'api'")
    assert len(tables) >= 8
    for (table,) in tables:
        for (row,) in await db.fetch(f"SELECT t::text FROM api.{table} AS t"):  # noqa: S608 - names from the catalog
            assert key not in row
            assert key[3:] not in row
    assert await db.fetchval("SELECT name FROM api.api_keys WHERE digest = $1", hashlib.sha256(key.encode()).digest())
