"""People from Clerk who erase themselves: no token from before brings them back."""

import asyncio

import pytest

from flowtask_api.clerk.loop import forgetting_erased
from flowtask_local.providers.clerk import bearer

ME = "/api/v1/me"


@pytest.fixture
def me(stranger):
    """What /me answers to a token."""

    async def ask(token):
        answer = await stranger.get(ME, headers=bearer(token))
        return answer.status_code, answer.json()

    return ask


@pytest.fixture
def erase(stranger, me):
    """Erases who a token is for; their id."""

    async def go(token):
        _, body = await me(token)
        user_id = body["data"]["id"]
        answer = await stranger.delete(ME, params={"confirm": user_id}, headers=bearer(token))
        assert answer.status_code == 204, answer.text
        return user_id

    return go


@pytest.fixture
def later(db):
    """Let time pass since what was erased."""

    async def pass_by(interval):
        await db.execute("UPDATE api.erased_clerk_ids SET erased_at = erased_at - $1::text::interval", interval)

    return pass_by


async def test_the_token_that_has_erased_somebody_and_others_from_before_open_nothing(clerk, me, erase, db):
    ada, acme = clerk.user(first_name="Ada"), clerk.organization("acme")
    tokens = [clerk.token(ada, issued=-3), clerk.token(ada), clerk.token(ada, acme), clerk.token(ada, acme, version=1)]

    await erase(tokens[1])

    for token in tokens:
        status, body = await me(token)
        assert (status, body["error"]["message"]) == (401, "Invalid token")
    assert await db.fetchval("SELECT count(*) FROM api.users WHERE clerk_id = $1", ada.id) == 0
    assert await db.fetchval("SELECT count(*) FROM api.workspaces WHERE clerk_organization_id = $1", acme.id) == 0


async def test_who_signs_in_afterwards_is_somebody_new(clerk, me, erase, later):
    ada = clerk.user(first_name="Ada", email="ada.again@example.com", email_verified=True)
    gone = await erase(clerk.token(ada, issued=-8))
    await later("10 seconds")

    status, body = await me(clerk.token(ada))

    assert (status, body["data"]["email"]) == (200, "ada.again@example.com")
    assert body["data"]["id"] != gone
    assert (await me(clerk.token(ada, issued=-20)))[0] == 200, "it is known who that is"


async def test_whoever_erases_themselves_again_is_gone_again(clerk, me, erase, later):
    ada = clerk.user()
    await erase(clerk.token(ada, issued=-15))
    await later("10 seconds")
    await erase(clerk.token(ada))

    assert (await me(clerk.token(ada)))[0] == 401


async def test_an_erasure_is_remembered_for_a_day_and_no_older_token_makes_anybody_known(
    app, clerk, me, erase, db, until
):
    """However long an application's tokens live: none from before an erasure that is forgotten counts."""
    ada = clerk.user()
    lasting = {"exp": 4_000_000_000}
    old, older = (clerk.token(ada, issued=seconds, claims=lasting) for seconds in (-60, -86_500))
    await erase(old)
    assert (await me(old))[0] == (await me(older))[0] == 401

    resources = app.state.resources
    forgetting = asyncio.create_task(forgetting_erased(resources.database, resources.wake, poll=0.05).run())
    other = clerk.user()
    await erase(clerk.token(other))
    await db.execute("UPDATE api.erased_clerk_ids SET erased_at = erased_at - interval '25 hours'")
    await until(lambda: db.fetchval("SELECT count(*) = 0 FROM api.erased_clerk_ids"))
    forgetting.cancel()
    await asyncio.gather(forgetting, return_exceptions=True)
    assert (await me(older))[0] == 401


async def test_who_goes_while_a_token_brings_them_into_an_organization_is_gone(clerk, stranger, me, erase, db):
    for _ in range(4):
        ada, acme = clerk.user(), clerk.organization("acme")
        token = clerk.token(ada)
        _, body = await me(token)
        answers = await asyncio.gather(
            erase(token), *(stranger.get(ME, headers=bearer(clerk.token(ada, acme))) for _ in range(3))
        )
        assert {answer.status_code for answer in answers[1:]} <= {200, 401}
        assert await db.fetchval("SELECT count(*) FROM api.users WHERE clerk_id = $1", ada.id) == 0
        assert answers[0] == body["data"]["id"]
