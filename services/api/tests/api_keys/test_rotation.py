"""A new key in the place of an old one, with or without a time in which both work."""

import asyncio
from datetime import datetime, timedelta

import pytest

from flowtask_contracts.base import rfc3339
from flowtask_kit.ids import utc_now

KEYS = "/api/v1/api-keys"


@pytest.fixture
async def old(client):
    return (await client.post(KEYS, json={"name": "K", "scopes": ["tasks:read", "api-keys:write"]})).json()["data"]


async def status(stranger, key):
    return (await stranger.get("/api/v1/tasks", headers={"authorization": f"Bearer {key['key']}"})).status_code


async def seen(client, key):
    return (await client.get(f"{KEYS}/{key['id']}")).json()["data"]


def seconds_until(moment):
    return (datetime.fromisoformat(moment) - utc_now()).total_seconds()


@pytest.mark.parametrize(
    "body", [{}, {"json": {}}, {"content": b"null", "headers": {"content-type": "application/json"}}]
)
async def test_both_keys_work_for_a_day_and_name_each_other(client, stranger, old, body):
    answer = await client.post(f"{KEYS}/{old['id']}/rotate", **body)
    new = answer.json()["data"]

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["location"] == f"{KEYS}/{new['id']}"
    assert new["key"] != old["key"]
    assert [new[name] for name in ("name", "scopes", "userId", "expiresAt")] == [
        old[name] for name in ("name", "scopes", "userId", "expiresAt")
    ]
    assert (new["rotatedFrom"], new["rotatedTo"]) == (old["id"], None)
    replaced = await seen(client, old)
    assert (replaced["rotatedFrom"], replaced["rotatedTo"]) == (None, new["id"])
    assert 86_000 < seconds_until(replaced["expiresAt"]) <= 86_400
    assert [await status(stranger, key) for key in (old, new)] == [200, 200]


async def test_without_an_overlap_the_old_key_ends_at_once(client, stranger, old):
    new = (await client.post(f"{KEYS}/{old['id']}/rotate", json={"overlapSeconds": 0})).json()["data"]
    assert [await status(stranger, key) for key in (old, new)] == [401, 200]


async def test_the_old_key_ends_with_the_overlap(client, stranger, old):
    new = (await client.post(f"{KEYS}/{old['id']}/rotate", json={"overlapSeconds": 1})).json()["data"]
    async with asyncio.timeout(30):
        while await status(stranger, old) == 200:
            await asyncio.sleep(0.02)
    assert seconds_until((await seen(client, old))["expiresAt"]) < 0.01
    assert await status(stranger, new) == 200


async def test_a_key_that_expires_before_the_overlap_ends_keeps_its_end_and_hands_it_on(client):
    end = rfc3339(utc_now() + timedelta(hours=1))
    old = (await client.post(KEYS, json={"name": "K", "expiresAt": end})).json()["data"]
    new = (await client.post(f"{KEYS}/{old['id']}/rotate", json={"overlapSeconds": 7200})).json()["data"]
    assert [(await seen(client, key))["expiresAt"] for key in (old, new)] == [end, end]


async def test_the_new_key_can_be_given_another_end(client, old):
    end = rfc3339(utc_now() + timedelta(days=90))
    new = await client.post(f"{KEYS}/{old['id']}/rotate", json={"expiresAt": end, "overlapSeconds": 604_800})
    assert new.json()["data"]["expiresAt"] == end
    assert 604_000 < seconds_until((await seen(client, old))["expiresAt"]) <= 604_800


async def test_a_key_gives_way_once_and_its_end_is_set(client, old):
    await client.post(f"{KEYS}/{old['id']}/rotate")
    end = (await seen(client, old))["expiresAt"]
    for answer in (
        await client.post(f"{KEYS}/{old['id']}/rotate"),
        await client.patch(f"{KEYS}/{old['id']}", json={"expiresAt": None}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
        assert "was rotated" in answer.json()["error"]["message"]
    assert (await seen(client, old))["expiresAt"] == end
    assert (await client.delete(f"{KEYS}/{old['id']}")).status_code == 204
    assert (await client.post(f"{KEYS}/{old['id']}/rotate")).status_code == 404


async def test_of_many_rotations_at_once_one_succeeds(client, old):
    answers = await asyncio.gather(*(client.post(f"{KEYS}/{old['id']}/rotate") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert len((await client.get(KEYS)).json()["data"]) == 3


async def test_a_key_rotates_itself(stranger, old):
    headers = {"authorization": f"Bearer {old['key']}"}
    new = (await stranger.post(f"{KEYS}/{old['id']}/rotate", headers=headers, json={"overlapSeconds": 0})).json()[
        "data"
    ]
    assert [await status(stranger, key) for key in (old, new)] == [401, 200]


async def test_a_repeat_rotates_once_and_does_not_show_the_key_again(client, old, db):
    path, headers = f"{KEYS}/{old['id']}/rotate", {"Idempotency-Key": "r"}
    first, again = [(await client.post(path, headers=headers)).json()["data"] for _ in range(2)]
    assert again == first | {"key": None, "secretShown": True}
    assert len((await client.get(KEYS)).json()["data"]) == 3
    assert (
        await db.fetchval(
            "SELECT count(*) FROM api.audit_entries WHERE target_id = $1 AND action LIKE '%rotated'", old["id"]
        )
        == 1
    )


@pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, "60", True, None, [], 10**30], ids=str)
async def test_an_overlap_is_0_to_7_days_in_whole_seconds(client, old, overlap):
    answer = await client.post(f"{KEYS}/{old['id']}/rotate", json={"overlapSeconds": overlap})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in {"VALIDATION_ERROR", "MALFORMED_JSON"}
    assert (await seen(client, old))["rotatedTo"] is None


async def test_bodies_that_are_none_are_refused(client, old):
    for raw in (b"{", b"[]", b"1", b'"x"', b'{"overlap": 1}', b"\xff"):
        answer = await client.post(
            f"{KEYS}/{old['id']}/rotate", content=raw, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400, raw


async def test_of_a_chain_at_most_two_keys_live(client, stranger, old):
    chain = [old]
    for _ in range(10):
        chain.append((await client.post(f"{KEYS}/{chain[-1]['id']}/rotate")).json()["data"])
        assert [await status(stranger, key) for key in chain] == [401] * (len(chain) - 2) + [200, 200]
    assert seconds_until((await seen(client, chain[0]))["expiresAt"]) <= 0


async def test_a_predecessor_that_has_ended_or_was_revoked_stays_as_it_is(client, old):
    second = (await client.post(f"{KEYS}/{old['id']}/rotate", json={"overlapSeconds": 0})).json()["data"]
    ended = await seen(client, old)
    third = (await client.post(f"{KEYS}/{second['id']}/rotate")).json()["data"]
    assert await seen(client, old) == ended
    assert (await client.delete(f"{KEYS}/{second['id']}")).status_code == 204
    assert (await client.post(f"{KEYS}/{third['id']}/rotate")).status_code == 201
    assert (await client.get(f"{KEYS}/{second['id']}")).status_code == 404


async def test_rotations_of_a_whole_chain_at_once_leave_two_keys(client, stranger, old):
    second = (await client.post(f"{KEYS}/{old['id']}/rotate")).json()["data"]
    ids = [old["id"], second["id"]] * 10
    answers = await asyncio.gather(*(client.post(f"{KEYS}/{key_id}/rotate") for key_id in ids))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    third = next(answer.json()["data"] for answer in answers if answer.status_code == 201)
    assert [await status(stranger, key) for key in (old, second, third)] == [401, 200, 200]


@pytest.mark.parametrize("revoked", [True, False])
async def test_a_chain_counts_as_one_of_the_twenty_as_long_as_a_key_of_it_lives(client, account, make_key, revoked):
    for _ in range(18):
        await make_key(account, "read")
    first = (await client.post(KEYS, json={"name": "K"})).json()["data"]
    second = (await client.post(f"{KEYS}/{first['id']}/rotate")).json()["data"]
    ends = [second, first] if revoked else [first, second]
    await client.delete(f"{KEYS}/{ends[0]['id']}")
    assert (await client.post(KEYS, json={"name": "K"})).status_code == 409
    await client.delete(f"{KEYS}/{ends[1]['id']}")
    assert (await client.post(KEYS, json={"name": "K"})).status_code == 201


class TestWindows:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"rate_limits": {"FREE": (10, 10)}})

    async def test_a_successor_counts_in_the_window_of_its_predecessors(self, stranger, old):
        key, left = old, []
        for _ in range(3):
            headers = {"authorization": f"Bearer {key['key']}"}
            own = f"{KEYS}/{key['id']}"
            answers = [await stranger.get(path, headers=headers) for path in ("/api/v1/tasks", own)]
            answers.append(await stranger.post(f"{own}/rotate", headers=headers))
            left += [int(answer.headers["x-ratelimit-remaining"]) for answer in answers]
            key = answers[-1].json()["data"]
        assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1]
        assert [await status(stranger, key) for _ in range(2)] == [200, 429]
        assert await status(stranger, old) == 401
