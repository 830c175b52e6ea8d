"""`rotate-keys` as operators run it, and what it leaves in the table."""

import asyncio
import base64
import hashlib
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from flowtask_kit.database.engine import create_database
from flowtask_kit.ids import new_id
from flowtask_webhook_dispatcher.endpoints.rekeying import BATCH, Rekeyed, renew
from flowtask_webhook_dispatcher.keyring import PRIVATE_KEY, CannotDecrypt, KeyRing, key_of, new_private_key, new_secret

PROGRAM = Path(sysconfig.get_path("scripts")) / "flowtask-webhook-dispatcher"
OLD, NEW = (f"{name}:{base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()}" for name in ("2025", "2026"))
BEFORE, BOTH, AFTER = KeyRing.parse(OLD), KeyRing.parse(f"{NEW},{OLD}"), KeyRing.parse(NEW)


@pytest.fixture
def rotate_keys(settings):
    """Run the command with this ring."""
    told = settings()

    def call(ring=f"{NEW},{OLD}", **more):
        env = {
            "PATH": os.environ["PATH"],
            "FLOWTASK_DATABASE_URL": told.database_url.get_secret_value(),
            "FLOWTASK_NATS_URL": told.nats_url.get_secret_value(),
            "FLOWTASK_WEBHOOKS_SECRET_KEYS": ring,
            **more,
        }
        return subprocess.run(
            [PROGRAM, "rotate-keys"], env=env, capture_output=True, text=True, check=False, timeout=60
        )

    return lambda *args, **more: asyncio.to_thread(call, *args, **more)


@pytest.fixture
def kept(pool):
    """Put so many endpoints into the table; their secrets by id, two of every third one."""

    async def put(number, ring=BEFORE):
        secrets = {new_id(): (new_secret(), new_secret() if each % 3 == 0 else None) for each in range(number)}
        rows = [
            (each, ring.encrypt(each, one), None if two is None else ring.encrypt(each, two))
            for each, (one, two) in secrets.items()
        ]
        await pool.executemany(
            "INSERT INTO webhooks.endpoints (id, workspace_id, url, events, active, secret, next_secret, next_alone_at,"
            " created_by, created_at, updated_at, revision) VALUES"
            " ($1, $1, 'https://a.example/', '[]', true, $2, $3, CASE WHEN $3::bytea IS NULL THEN NULL ELSE now() END,"
            " $1, now(), '2026-01-01', 7)",
            rows,
        )
        return secrets

    return put


@pytest.fixture
def stored(sql):
    async def read():
        rows = await sql("SELECT id, secret, next_secret, revision, updated_at::text FROM webhooks.endpoints")
        return {row["id"]: row for row in rows}

    return read


def opened(ring, row):
    return tuple(
        None if row[name] is None else ring.decrypt(row["id"], row[name]) for name in ("secret", "next_secret")
    )


async def test_every_secret_is_under_the_first_key_afterwards_and_the_old_one_can_go(rotate_keys, kept, stored):
    secrets = await kept(2 * BATCH + 1)
    done = await rotate_keys()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"{2 * BATCH + 1} of {2 * BATCH + 1} webhooks were encrypted anew, with the key 2026.\n"
        "Every secret is under it: 2025 can be taken out of the ring.\n"
    )
    rows = await stored()
    assert {each: opened(AFTER, row) for each, row in rows.items()} == secrets
    assert {(row["revision"], row["updated_at"][:10]) for row in rows.values()} == {(7, "2026-01-01")}

    again = await rotate_keys()
    assert again.stdout.startswith(f"0 of {2 * BATCH + 1} webhooks were encrypted anew")
    assert await stored() == rows
    alone = await rotate_keys(NEW)
    assert (alone.returncode, "can be taken out" in alone.stdout) == (0, False)


async def test_headers_of_owners_are_encrypted_anew_beside_the_secrets(rotate_keys, kept, sql):
    texts = {endpoint: f'[["Authorization", "{endpoint}"]]' for endpoint in await kept(2)}
    for endpoint, text in texts.items():
        sealed = BEFORE.encrypt(endpoint, text, "headers")
        await sql("UPDATE webhooks.endpoints SET headers = $2 WHERE id = $1", endpoint, sealed)
    assert (await rotate_keys()).returncode == 0
    rows = await sql("SELECT id, headers FROM webhooks.endpoints")
    assert {row["id"]: AFTER.decrypt(row["id"], row["headers"], "headers") for row in rows} == texts


async def test_it_can_be_killed_at_any_time_and_begun_again(rotate_keys, kept, stored):
    secrets = await kept(2 * BATCH + 1)
    broken = await rotate_keys(FLOWTASK_CRASHPOINTS="rotate-keys.after-batch")
    assert broken.returncode == -9
    rows = await stored()
    assert sum(key_of(row["secret"]) == "2026" for row in rows.values()) == BATCH
    assert {each: opened(BOTH, row) for each, row in rows.items()} == secrets

    done = await rotate_keys()
    assert done.stdout.startswith(f"{BATCH + 1} of {2 * BATCH + 1} webhooks")
    assert {each: opened(AFTER, row) for each, row in (await stored()).items()} == secrets


async def test_a_batch_that_fails_changes_nothing(settings, kept, stored):
    await kept(3)
    before = await stored()
    database = create_database(settings(), service="test")
    async with database.sessions() as tx:
        assert await renew(tx, BOTH, Rekeyed(), None) is None
        await tx.flush()
        await tx.rollback()
    await database.close()
    assert await stored() == before


async def test_secrets_that_no_key_opens_are_told_and_left_and_the_rest_is_done(rotate_keys, kept, stored):
    fine, lost = await kept(3), await kept(4, KeyRing.parse(NEW.replace("2026:", "2024:")))
    done = await rotate_keys()
    assert done.returncode == 1
    assert done.stdout == "3 of 7 webhooks were encrypted anew, with the key 2026.\n"
    assert done.stderr.count("it is under the key '2024'") == 4
    assert "4 cannot be read: put their key back into the ring.\n" in done.stderr
    rows = await stored()
    assert {each: opened(AFTER, rows[each]) for each in fine} == fine
    for each in lost:
        assert str(each) in done.stderr
        with pytest.raises(CannotDecrypt):
            opened(BOTH, rows[each])
    assert not any(secret in done.stdout + done.stderr for secret, _ in (fine | lost).values())


async def test_it_says_what_is_wrong_with_a_ring_or_a_database(rotate_keys):
    bad = await rotate_keys("nonsense")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("FLOWTASK_WEBHOOKS_SECRET_KEYS: ")
    away = await rotate_keys(FLOWTASK_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert away.returncode == 1
    assert away.stderr.startswith("The database cannot be reached: ")


async def test_writes_of_endpoints_and_the_command_at_the_same_time_lose_nothing(serve, subscribe, rotate_keys, stored):
    both = f"{NEW},{OLD}"
    before = await serve(webhooks_secret_keys=f"{OLD},{NEW}", webhooks_max_endpoints=1000)
    made = [await subscribe("https://example.com/") for _ in range(40)]
    await before.stop()
    await serve(webhooks_secret_keys=both, webhooks_max_endpoints=1000)
    done, *more = await asyncio.gather(rotate_keys(), *(subscribe("https://example.com/") for _ in range(40)))
    assert done.returncode == 0
    rows = await stored()
    assert {each.id: each.secret for each in (*made, *more)} == {
        each: opened(AFTER, row)[0] for each, row in rows.items()
    }


async def test_keys_of_ed25519_are_encrypted_anew_too(rotate_keys, kept, pool):
    [endpoint] = await kept(1)
    keys = {name: new_private_key() for name in ("private_key", "next_private_key")}
    sealed = [BEFORE.encrypt(endpoint, key, PRIVATE_KEY) for key in keys.values()]
    await pool.execute("UPDATE webhooks.endpoints SET private_key = $1, next_private_key = $2", *sealed)
    done = await rotate_keys()
    assert done.returncode == 0, done.stderr
    [row] = await pool.fetch("SELECT private_key, next_private_key FROM webhooks.endpoints")
    assert {name: AFTER.decrypt(endpoint, row[name], PRIVATE_KEY) for name in keys} == keys
    with pytest.raises(CannotDecrypt):
        AFTER.decrypt(endpoint, row["private_key"])  # it is nobody's secret
