"""How often a person may call, and an address whose tokens are refused."""

from uuid import uuid4

import pytest

from flowtask_local.providers.clerk import bearer

ME, PICK = "/api/v1/me", "X-FlowTask-Workspace"


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={"rate_limits": {"FREE": (3, 3), "PRO": (1000, 300)}, "failed_authentications": 2}
    )


@pytest.fixture
def statuses(stranger):
    """The statuses of as many requests as there are headers."""

    async def ask(headers):
        return [(await stranger.get(ME, headers=each)).status_code for each in headers]

    return ask


def told(answer):
    return tuple(int(answer.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining"))


async def test_requests_count_by_person_whatever_token_carries_them(statuses, clerk):
    ada, bob = clerk.user(), clerk.user()

    assert await statuses(bearer(clerk.token(ada)) for _ in range(4)) == [200, 200, 200, 429]
    assert await statuses([bearer(clerk.token(bob))]) == [200]


@pytest.mark.parametrize(("wanted", "status"), [("nonsense", 400), ("00000000-0000-7000-8000-000000000000", 404)])
async def test_a_workspace_that_is_refused_counts_like_any_other_request(stranger, clerk, wanted, status):
    token = clerk.token(clerk.user())
    for left in (2, 1, 0):
        answer = await stranger.get(ME, headers=bearer(token, **{PICK: wanted}))
        assert (answer.status_code, told(answer)) == (status, (3, left))
    for headers in (bearer(token, **{PICK: wanted}), bearer(token)):
        answer = await stranger.get(ME, headers=headers)
        assert (answer.status_code, told(answer)) == (429, (3, 0))


async def test_another_workspace_than_the_organizations_counts_too(stranger, clerk):
    token = clerk.token(clerk.user(), clerk.organization("acme"))
    answers = [await stranger.get(ME, headers=bearer(token, **{PICK: str(uuid4())})) for _ in range(4)]
    assert [(answer.status_code, told(answer)[1]) for answer in answers] == [(400, 2), (400, 1), (400, 0), (429, 0)]


async def test_a_workspace_that_is_not_found_makes_nobody_known_again(stranger, clerk, db):
    token = clerk.token(clerk.user())
    await stranger.get(ME, headers=bearer(token))
    await db.execute(
        "ALTER TABLE api.users RENAME COLUMN locale TO locale_away"
    )  # whoever writes or loads a user fails
    try:
        answer = await stranger.get(ME, headers=bearer(token, **{PICK: str(uuid4())}))
    finally:
        await db.execute("ALTER TABLE api.users RENAME COLUMN locale_away TO locale")
    assert (answer.status_code, told(answer)) == (404, (3, 1))


async def test_the_limits_of_a_refused_workspace_are_those_of_the_persons_own(stranger, clerk, db):
    token = clerk.token(clerk.user())
    mine = (await stranger.get(ME, headers=bearer(token))).json()["data"]["workspaceId"]
    await db.execute("UPDATE api.workspaces SET plan = 'PRO' WHERE id = $1::text::uuid", mine)
    answer = await stranger.get(ME, headers=bearer(token, **{PICK: str(uuid4())}))
    assert (answer.status_code, told(answer)) == (404, (1000, 998))


async def test_an_organization_that_is_being_erased_is_not_found_and_counts(stranger, clerk, db):
    token = clerk.token(clerk.user(), clerk.organization("acme"))
    workspace = (await stranger.get(ME, headers=bearer(token))).json()["data"]["workspaceId"]
    await db.execute("UPDATE api.workspaces SET erased_at = now() WHERE id = $1::text::uuid", workspace)
    answers = [await stranger.get(ME, headers=bearer(token)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]


async def test_refused_tokens_count_as_failures_of_the_address(statuses, clerk):
    forged = [bearer("eyJ.eyJ.eyJ")] * 3

    assert await statuses(forged) == [401, 401, 429]
    assert await statuses([bearer(clerk.token(clerk.user()))]) == [200]


async def test_tokens_that_are_over_are_told_so_and_are_no_guesses_of_the_address(stranger, clerk):
    for _ in range(4):
        answer = await stranger.get(ME, headers=bearer(clerk.token(clerk.user(), issued=-100)))
        assert (answer.status_code, told(answer)) == (401, (3, 2))
        assert answer.headers["ratelimit-policy"] == '"expired-tokens";q=3;w=60'
        assert "has expired" in answer.json()["error"]["message"]
    assert (await stranger.get(ME, headers=bearer("eyJ.eyJ.eyJ"))).status_code == 401


async def test_tokens_of_one_person_that_are_over_are_limited_and_cost_the_person_nothing(statuses, clerk):
    ada, bob = clerk.user(), clerk.user()

    assert await statuses(bearer(clerk.token(ada, issued=-100 - n)) for n in range(5)) == [401] * 3 + [429] * 2
    assert await statuses([bearer(clerk.token(bob, issued=-100))]) == [401]
    assert await statuses(bearer(clerk.token(ada)) for _ in range(4)) == [200, 200, 200, 429]


async def test_while_clerk_is_away_tokens_nobody_can_judge_are_limited_by_address(stranger, clerk):
    token = clerk.token(clerk.user())
    with clerk.down():
        answers = [await stranger.get(ME, headers=bearer(token)) for _ in range(4)]

    assert [(answer.status_code, told(answer)) for answer in answers] == [
        (503, (2, 1)),
        (503, (2, 0)),
        (429, (2, 0)),
        (429, (2, 0)),
    ]
