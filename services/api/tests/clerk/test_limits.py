"""How often a person may call, and an address whose tokens are refused."""

import pytest

from flowtask_local.providers.clerk import bearer


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"rate_limits": {"FREE": (3, 3)}, "failed_authentications": 2})


async def test_requests_count_by_person_whatever_token_carries_them(stranger, clerk):
    ada, bob = clerk.user(), clerk.user()

    answers = [await stranger.get("/api/v1/me", headers=bearer(clerk.token(ada))) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert (await stranger.get("/api/v1/me", headers=bearer(clerk.token(bob)))).status_code == 200


async def test_refused_tokens_count_as_failures_of_the_address(stranger, clerk):
    invalid, expired = "eyJ.eyJ.eyJ", clerk.token(clerk.user(), issued=-100)

    answers = [await stranger.get("/api/v1/me", headers=bearer(token)) for token in (invalid, expired, invalid)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert (await stranger.get("/api/v1/me", headers=bearer(clerk.token(clerk.user())))).status_code == 200


async def test_a_clerk_that_is_away_is_no_failure_of_the_address(stranger, clerk):
    token = clerk.token(clerk.user())
    with clerk.down():
        answers = [await stranger.get("/api/v1/me", headers=bearer(token)) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [503] * 5
