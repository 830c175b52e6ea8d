"""Clerk's keys: rotated, away, broken, and asked for by those who make up key ids."""

import asyncio
import time

import orjson
import pytest

from flowtask_api.clerk.errors import InvalidToken, SignInUnavailable
from flowtask_api.clerk.keys import AGAIN_SECONDS, MOST_BYTES, STALE_SECONDS, Unusable, read
from flowtask_local.providers.clerk import SigningKey, bearer


async def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_the_keys_are_fetched_once_for_all_who_wait(keys, clerk):
    found = await asyncio.gather(*(keys.key(clerk.key.key_id) for _ in range(50)))

    assert {key.public_numbers() for key in found} == {clerk.key.private.public_key().public_numbers()}
    assert clerk.asked == 1


async def test_who_gives_up_waiting_takes_the_keys_from_nobody(keys, clerk):
    with clerk.stalls(0.5):
        impatient = asyncio.create_task(keys.key(clerk.key.key_id))
        await until(lambda: clerk.asked == 1)
        patient = asyncio.create_task(keys.key(clerk.key.key_id))
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        assert await patient
    assert clerk.asked == 1


async def test_a_new_key_is_found_at_once_and_the_old_one_goes(keys, clerk):
    old = clerk.key.key_id
    await keys.key(old)

    clerk.rotate()

    assert await keys.key(clerk.key.key_id)
    assert clerk.asked == 2
    with pytest.raises(InvalidToken):
        await keys.key(old)


async def test_during_a_rotation_both_keys_count(keys, clerk):
    old = clerk.key.key_id
    clerk.rotate(keep_old=True)

    assert await keys.key(clerk.key.key_id)
    assert await keys.key(old)
    assert clerk.asked == 1


async def test_made_up_key_ids_cost_clerk_one_request_in_ten_seconds(keys, clerk, clock):
    await keys.key(clerk.key.key_id)

    for step in range(5):
        for number in range(200):
            with pytest.raises(InvalidToken):
                await keys.key(f"made-up-{step}-{number}")
        clock.now += AGAIN_SECONDS / 5

    assert clerk.asked == 2
    clock.now += 0.01
    with pytest.raises(InvalidToken):
        await keys.key("made-up")
    assert clerk.asked == 3
    assert await keys.key(clerk.key.key_id)


async def test_old_keys_are_renewed_while_nobody_waits(keys, clerk, clock):
    known = await keys.key(clerk.key.key_id)
    clock.now += 3601
    with clerk.stalls(30):
        began = time.monotonic()
        assert await keys.key(clerk.key.key_id) is known
        assert time.monotonic() - began < 3
        await until(lambda: clerk.asked == 2)
    await until(lambda: keys._fetching is None)

    assert await keys.key(clerk.key.key_id) is not known
    assert clerk.asked == 2


OUTAGES = {
    "down": lambda clerk: clerk.down(),
    "status-500": lambda clerk: clerk.fails(500),
    "status-302": lambda clerk: clerk.fails(302),
    "status-404": lambda clerk: clerk.fails(404),
    "no-json": lambda clerk: clerk.says(b"<html>"),
    "a-list": lambda clerk: clerk.says(b"[]"),
    "keys-a-number": lambda clerk: clerk.says(b'{"keys": 1}'),
    "no-keys": lambda clerk: clerk.says(b'{"keys": []}'),
    "nothing": lambda clerk: clerk.says(b""),
    "huge": lambda clerk: clerk.says(b" " * (MOST_BYTES + 1)),
    "nested": lambda clerk: clerk.says(b'{"keys":' + b"[" * 100_000),
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_known_keys_are_used_for_a_day_while_clerk_is_away(keys, clerk, clock, outage):
    known = await keys.key(clerk.key.key_id)
    with OUTAGES[outage](clerk):
        clock.now += STALE_SECONDS - 1
        assert await keys.key(clerk.key.key_id) is known
        await until(lambda: keys._fetching is None)
        assert await keys.key(clerk.key.key_id) is known
        with pytest.raises(SignInUnavailable):  # who knows whether it is Clerk's next key
            await keys.key("another")

        clock.now += 2
        with pytest.raises(SignInUnavailable) as refused:
            await keys.key(clerk.key.key_id)
        assert 1 <= refused.value.retry_after <= AGAIN_SECONDS

    clock.now += AGAIN_SECONDS
    assert await keys.key(clerk.key.key_id)


async def test_while_clerk_is_away_it_is_asked_every_ten_seconds_at_most(keys, clerk, clock):
    with clerk.fails():
        for _ in range(100):
            with pytest.raises(SignInUnavailable):
                await keys.key(clerk.key.key_id)
        assert clerk.asked == 1
    clock.now += AGAIN_SECONDS
    assert await keys.key(clerk.key.key_id)
    assert clerk.asked == 2


def test_keys_that_cannot_verify_rs256_are_passed_over():
    good = SigningKey.new().jwk
    odd = [
        {**good, "kid": 5},
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": "rs512", "alg": "RS512"},
        {**good, "kid": "oct", "kty": "oct", "k": "c2VjcmV0"},
        {**good, "kid": "private", "d": "AQAB"},
        {**good, "kid": "no-n", "n": None},
        {**good, "kid": "bad-n", "n": "!"},
        {**good, "kid": "even-e", "e": "AA"},
        {**SigningKey.new(1024).jwk, "kid": "short"},
        {name: value for name, value in good.items() if name != "kid"},
        "key",
        None,
    ]

    assert list(read(orjson.dumps({"keys": [*odd, good]}))) == [good["kid"]]
    with pytest.raises(Unusable):
        read(orjson.dumps({"keys": odd}))


async def test_people_stay_signed_in_while_clerk_rotates_and_while_it_is_away(stranger, clerk):
    ada = clerk.user(first_name="Ada")
    assert (await stranger.get("/api/v1/me", headers=bearer(clerk.token(ada)))).status_code == 200
    clerk.rotate()
    assert (await stranger.get("/api/v1/me", headers=bearer(clerk.token(ada)))).status_code == 200
    with clerk.down():
        assert (await stranger.get("/api/v1/me", headers=bearer(clerk.token(ada)))).status_code == 200


async def test_when_no_key_can_be_had_the_answer_is_503_and_keys_of_the_api_go_on_working(stranger, clerk, account):
    with clerk.down():
        answer = await stranger.get("/api/v1/me", headers=bearer(clerk.token(clerk.user())))
        assert answer.status_code == 503
        error = answer.json()["error"]
        assert error["code"] == "SERVICE_UNAVAILABLE"
        assert error["message"] == "Sign-in is under maintenance. Please try again in a few moments."
        assert 1 <= error["retryAfter"] <= AGAIN_SECONDS
        assert answer.headers["retry-after"] == str(error["retryAfter"])
        assert (await stranger.get("/api/v1/me", headers=account.headers)).status_code == 200
