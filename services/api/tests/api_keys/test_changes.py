"""Reading and changing one key, and when it ends."""

import asyncio
from datetime import timedelta

import pytest

from flowtask_contracts.base import rfc3339
from flowtask_kit.ids import utc_now

KEYS = "/api/v1/api-keys"


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def key(client):
    return (await client.post(KEYS, json={"name": "K", "scopes": ["write", "read", "write"]})).json()["data"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_is_sent_changes_and_the_rest_stays(client, stranger, key, method):
    where, end = f"{KEYS}/{key['id']}", rfc3339(utc_now() + timedelta(days=1))
    assert key["scopes"] == ["read", "write"]
    await client.request(method, where, json={"name": "New"})
    await client.request(method, where, json={"scopes": ["tasks:read"]})
    changed = await client.request(method, where, json={"expiresAt": end})
    shown = (await client.get(where)).json()["data"]
    assert changed.json()["data"] == shown
    assert (shown["name"], shown["scopes"], shown["expiresAt"]) == ("New", ["tasks:read"], end)
    assert (await stranger.get("/api/v1/projects", headers=bearer(key["key"]))).status_code == 403
    assert (await client.request(method, where, json={"expiresAt": None})).json()["data"]["expiresAt"] is None


async def test_a_tag_tells_a_change_and_stops_a_lost_update(client, key):
    where = f"{KEYS}/{key['id']}"
    seen = (await client.get(where)).headers["etag"]
    assert (await client.get(where, headers={"If-None-Match": seen})).status_code == 304
    assert (await client.patch(where, json={"name": key["name"]})).headers["etag"] == seen
    changed = await client.patch(where, json={"name": "New"}, headers={"If-Match": seen})
    assert changed.headers["etag"] != seen
    for stale in (
        await client.patch(where, json={"name": "Lost"}, headers={"If-Match": seen}),
        await client.delete(where, headers={"If-Match": seen}),
    ):
        assert stale.status_code == 412
    assert (await client.get(where)).json()["data"]["name"] == "New"


async def test_a_use_makes_another_tag_and_does_not_stand_in_the_way_of_a_change(client, key, db):
    where = f"{KEYS}/{key['id']}"
    seen = (await client.get(where)).headers["etag"]
    await db.execute("UPDATE api.api_keys SET last_used_at = now() WHERE id = $1", key["id"])
    assert (await client.get(where, headers={"If-None-Match": seen})).status_code == 200
    assert (await client.patch(where, json={"name": "New"}, headers={"If-Match": seen})).status_code == 200


async def test_keys_of_others_and_revoked_ones_are_not_found(client, neighbour, key):
    where = f"{KEYS}/{key['id']}"
    await client.delete(where)
    for caller in (client, neighbour):
        for method, path in (
            ("GET", where),
            ("PATCH", where),
            ("PUT", where),
            ("DELETE", where),
            ("POST", f"{where}/rotate"),
        ):
            body = None if method in {"GET", "DELETE"} else {"name": "N"} if method != "POST" else {}
            assert (await caller.request(method, path, json=body)).status_code == 404


async def test_a_key_opens_nothing_from_its_expiry_on(client, stranger):
    end = utc_now() + timedelta(seconds=1.5)
    made = (await client.post(KEYS, json={"name": "K", "expiresAt": rfc3339(end)})).json()["data"]
    assert (await stranger.get("/api/v1/me", headers=bearer(made["key"]))).status_code == 200
    async with asyncio.timeout(30):
        while (await stranger.get("/api/v1/me", headers=bearer(made["key"]))).status_code == 200:
            await asyncio.sleep(0.02)
    assert utc_now() > end - timedelta(milliseconds=1)
    refused = await stranger.get("/api/v1/me", headers=bearer(made["key"]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    assert made["id"] in [row["id"] for row in (await client.get(KEYS)).json()["data"]]


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(seconds=1), timedelta(days=400)], ids=str)
async def test_an_expiry_lies_in_the_future(client, key, ago):
    for method, path in (("POST", KEYS), ("PATCH", f"{KEYS}/{key['id']}"), ("POST", f"{KEYS}/{key['id']}/rotate")):
        body = {"expiresAt": rfc3339(utc_now() - ago)} | ({"name": "K"} if path == KEYS else {})
        answer = await client.request(method, path, json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["details"] == [{"field": "expiresAt", "message": "must lie in the future"}]


async def test_an_expired_key_stays_so(client, key, db):
    where = f"{KEYS}/{key['id']}"
    await db.execute("UPDATE api.api_keys SET expires_at = now() WHERE id = $1", key["id"])
    for answer in (
        await client.patch(where, json={"expiresAt": None}),
        await client.patch(where, json={"expiresAt": "2999-01-01T00:00:00Z"}),
        await client.post(f"{where}/rotate"),
    ):
        assert answer.status_code == 409
        assert "expired" in answer.json()["error"]["message"]
    assert (await client.patch(where, json={"name": "Old"})).status_code == 200
    assert (await client.delete(where)).status_code == 204
