import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy.exc import DBAPIError
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from flowtask_api.api_keys.last_use import LastUse
from flowtask_api.app import create_app
from flowtask_kit.ids import utc_now


async def last_used(db, account):
    return await db.fetchval("SELECT last_used_at FROM api.api_keys WHERE workspace_id = $1", account.workspace_id)


async def test_uses_are_not_written_by_requests_but_when_the_service_stops(settings, make_account, db):
    account = await make_account()
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://api") as client:
            for _ in range(3):
                assert (await client.get("/api/v1/me", headers=account.headers)).status_code == 200
        assert await last_used(db, account) is None
        assert await db.fetchval("SELECT count(*) FROM api.api_keys WHERE last_used_at IS NOT NULL") == 0

    assert utc_now() - await last_used(db, account) < timedelta(seconds=10)


async def test_uses_are_written_every_few_seconds(settings, make_account):
    account = await make_account()
    app = create_app(settings.model_copy(update={"key_use_flush_seconds": 0.05}))
    client = AsyncClient(transport=ASGITransport(app=app), base_url="http://api", headers=account.headers)
    async with app.router.lifespan_context(app), client, asyncio.timeout(30):
        shown = None
        while shown is None:
            (key,) = (await client.get("/api/v1/api-keys")).json()["data"]
            shown = key["lastUsedAt"]
            await asyncio.sleep(0.01)
    assert key["lastUsedAddress"] == "127.0.0.1"


async def test_what_could_not_be_written_is_written_the_next_time(app, account, db):
    database = app.state.resources.database
    key_id = await db.fetchval("SELECT id FROM api.api_keys WHERE workspace_id = $1", account.workspace_id)
    uses = LastUse(database, every=60)
    uses.note(key_id, "192.0.2.1")
    uses.note(uuid4(), "192.0.2.1")
    await db.execute("ALTER TABLE api.api_keys RENAME TO api_keys_away")
    try:
        await uses.flush()
    except DBAPIError:
        pass
    else:
        raise AssertionError
    finally:
        await db.execute("ALTER TABLE api.api_keys_away RENAME TO api_keys")

    await uses.flush()

    assert await last_used(db, account) is not None


async def test_a_later_use_is_never_replaced_by_an_earlier_one(app, account, db):
    future = utc_now() + timedelta(days=1)
    await db.execute("UPDATE api.api_keys SET last_used_at = $1", future)
    uses = LastUse(app.state.resources.database, every=60)
    await db.execute("UPDATE api.api_keys SET last_used_address = '192.0.2.9'")
    key_id = await db.fetchval("SELECT id FROM api.api_keys WHERE workspace_id = $1", account.workspace_id)
    uses.note(key_id, "192.0.2.1")

    await uses.flush()

    assert await last_used(db, account) == future
    assert await db.fetchval("SELECT last_used_address FROM api.api_keys WHERE id = $1", key_id) == "192.0.2.9"


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", None),
        ("", None),
        (None, None),
        ("a\x00\ud800", None),
    ],
    ids=["v4", "v6", "zone", "name", "empty", "none", "garbage"],
)
async def test_the_address_of_the_last_use_is_kept_where_it_is_one(app, account, db, address, kept):
    uses = LastUse(app.state.resources.database, every=60)
    key_id = await db.fetchval("SELECT id FROM api.api_keys WHERE workspace_id = $1", account.workspace_id)
    uses.note(key_id, "198.51.100.1")
    await uses.flush()
    uses.note(key_id, address)
    await uses.flush()
    assert await db.fetchval("SELECT last_used_address FROM api.api_keys WHERE id = $1", key_id) == kept


async def test_behind_a_trusted_proxy_the_address_is_the_callers(settings, make_account, db):
    account = await make_account()
    app = create_app(settings)
    proxied = ProxyHeadersMiddleware(app, trusted_hosts=settings.trusted_proxies)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app=proxied), base_url="http://api", headers=account.headers) as client,
    ):
        assert (await client.get("/api/v1/me", headers={"X-Forwarded-For": "2001:db8::7"})).status_code == 200
    address = "SELECT last_used_address FROM api.api_keys WHERE workspace_id = $1"
    assert await db.fetchval(address, account.workspace_id) == "2001:db8::7"
