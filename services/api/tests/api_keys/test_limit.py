"""How many keys a workspace has, and how soon a revoked one is closed everywhere."""

import asyncio
from datetime import timedelta

from httpx2 import ASGITransport, AsyncClient

from flowtask_api.app import create_app
from flowtask_kit.ids import utc_now

KEYS = "/api/v1/api-keys"


async def test_forty_at_once_end_with_twenty_keys_and_the_others_are_told_why(client, account, db):
    answers = await asyncio.gather(*(client.post(KEYS, json={"name": f"K{n}"}) for n in range(40)))

    assert sorted(answer.status_code for answer in answers) == [201] * 19 + [409] * 21
    refused = next(answer.json()["error"] for answer in answers if answer.status_code == 409)
    assert refused["code"] == "CONFLICT"
    assert "at most 20 live API keys" in refused["message"]
    live = await db.fetchval("SELECT count(*) FROM api.api_keys WHERE workspace_id = $1", account.workspace_id)
    assert live == 20


async def test_revoked_expired_and_rotated_keys_make_room(client, neighbour, account, make_key, db):
    for _ in range(18):
        await make_key(account, "read")
    last = (await client.post(KEYS, json={"name": "K"})).json()["data"]["id"]
    assert (await client.post(KEYS, json={"name": "K"})).status_code == 409
    assert (await neighbour.post(KEYS, json={"name": "K"})).status_code == 201

    rotated = await client.post(f"{KEYS}/{last}/rotate")
    assert rotated.status_code == 201
    assert (await client.post(KEYS, json={"name": "K"})).status_code == 409

    await client.delete(f"{KEYS}/{last}")
    assert (await client.post(KEYS, json={"name": "K"})).status_code == 409
    await client.delete(f"{KEYS}/{rotated.json()['data']['id']}")
    assert (await client.post(KEYS, json={"name": "K"})).status_code == 201

    assert (await client.post(KEYS, json={"name": "K"})).status_code == 409
    one = await db.fetchval(
        "SELECT id FROM api.api_keys WHERE workspace_id = $1 AND scopes = '{read}' LIMIT 1", account.workspace_id
    )
    await db.execute("UPDATE api.api_keys SET expires_at = $1 WHERE id = $2", utc_now() - timedelta(seconds=1), one)
    assert (await client.post(KEYS, json={"name": "K"})).status_code == 201


async def test_a_revoked_or_narrowed_key_is_so_on_every_replica_at_once(client, settings):
    other = create_app(settings)
    async with other.router.lifespan_context(other):
        for end in ("revoke", "narrow"):
            key = (await client.post(KEYS, json={"name": "K"})).json()["data"]
            headers = {"authorization": f"Bearer {key['key']}"}
            async with AsyncClient(
                transport=ASGITransport(app=other), base_url="http://api", headers=headers
            ) as elsewhere:
                for _ in range(5):
                    assert (await elsewhere.get("/api/v1/tasks")).status_code == 200
                if end == "revoke":
                    await client.delete(f"{KEYS}/{key['id']}")
                else:
                    await client.patch(f"{KEYS}/{key['id']}", json={"scopes": ["projects:read"]})
                async with asyncio.timeout(1):
                    while (await elsewhere.get("/api/v1/tasks")).status_code == 200:
                        await asyncio.sleep(0.02)
                assert (await elsewhere.get("/api/v1/tasks")).status_code == (401 if end == "revoke" else 403)
