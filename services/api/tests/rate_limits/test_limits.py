import contextlib
import time

import httpx2
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from flowtask_api.app import create_app
from flowtask_api.auth.workspaces import WORKSPACE_HEADER
from flowtask_api.rate_limits.dependencies import network_of
from flowtask_contracts.resources import Plan
from flowtask_kit.http.policy import MAX_BODY_BYTES

TASKS = "/api/v1/tasks"


@pytest.fixture
def settings(settings):
    limits = {Plan.FREE: (10, 4), Plan.PRO: (20, 8), Plan.ENTERPRISE: (30, 12)}
    return settings.model_copy(update={"rate_limits": limits, "failed_authentications": 5})


def told(answer):
    return tuple(int(answer.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset"))


def assert_limited(answer, most):
    assert answer.status_code == 429
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (
        "RATE_LIMIT_EXCEEDED",
        "Too many requests. Please wait a moment and try again.",
    )
    wait = int(answer.headers["retry-after"])
    assert error["retryAfter"] == wait
    limit, remaining, reset = told(answer)
    assert (limit, remaining) == (most, 0)
    assert 50 <= wait <= 60
    assert abs(reset - time.time() - wait) <= 2


async def test_every_answer_tells_the_limit_and_the_one_too_many_is_429(client):
    for number in range(10):
        answer = await client.get(TASKS)
        assert answer.status_code == 200
        limit, remaining, reset = told(answer)
        assert (limit, remaining) == (10, 9 - number)
        assert 55 <= reset - time.time() <= 61
        assert answer.headers["ratelimit-policy"] == '"requests";q=10;w=60'
        assert answer.headers["ratelimit"].startswith(f'"requests";r={9 - number};t=')
    for _ in range(3):
        assert_limited(await client.get(TASKS), 10)


async def test_writes_have_a_limit_of_their_own_and_refusals_do_not_count(client):
    for number in range(4):
        answer = await client.post(TASKS, json={"title": "T"})
        assert answer.status_code == 201
        assert told(answer)[:2] == (4, 3 - number)
    for _ in range(20):
        assert_limited(await client.post(TASKS, json={"title": "T"}), 4)
    reading = await client.get(TASKS)
    assert (reading.status_code, told(reading)[:2]) == (200, (10, 5))
    assert len(reading.json()["data"]) == 4


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", TASKS, 200),
        ("HEAD", TASKS, 200),
        ("POST", TASKS, 400),
        ("GET", f"{TASKS}?page=0", 400),
        ("GET", f"{TASKS}/nonsense", 404),
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", TASKS, 405),
    ],
)
async def test_every_answer_tells_the_limit(client, method, path, status):
    answer = await client.request(method, path, json={} if method == "POST" else None)
    assert answer.status_code == status
    limit, remaining, _ = told(answer)
    assert (limit, remaining) == ((10, 9) if method in {"GET", "HEAD"} else (4, 3))


@pytest.mark.parametrize("declared", [True, False])
async def test_the_refusal_of_a_body_that_is_too_large_tells_the_limit(client, declared):
    async def pieces():
        for _ in range(2):
            yield b"x" * MAX_BODY_BYTES

    content = b"x" * (MAX_BODY_BYTES + 1) if declared else pieces()
    answer = await client.post(TASKS, content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, told(answer)[:2]) == (413, (4, 3))


async def test_a_failure_of_our_own_tells_the_limit(client, db):
    await db.execute("ALTER TABLE api.tasks RENAME TO tasks_away")
    try:
        answer = await client.get(TASKS)
    finally:
        await db.execute("ALTER TABLE api.tasks_away RENAME TO tasks")
    assert (answer.status_code, told(answer)[:2]) == (500, (10, 9))


async def test_a_key_has_its_limit_to_itself_and_a_plan_its_size(client, account, neighbour, db):
    for _ in range(11):
        answer = await client.get(TASKS)
    assert answer.status_code == 429
    assert (await neighbour.get(TASKS)).status_code == 200
    await db.execute("UPDATE api.workspaces SET plan = 'PRO' WHERE id = $1", account.workspace_id)
    answer = await client.get(TASKS)
    assert (answer.status_code, told(answer)[:2]) == (200, (20, 9))


async def test_credentials_that_fail_are_limited_by_address_and_valid_ones_pass(client, stranger):
    for number in range(5):
        answer = await stranger.get(TASKS, headers={"Authorization": f"Bearer ft_{number:064x}"})
        assert answer.status_code == 401
        assert told(answer)[:2] == (5, 4 - number)
    for headers in ({"Authorization": f"Bearer ft_{9:064x}"}, {}, {"Authorization": "Basic x"}):
        assert_limited(await stranger.get(TASKS, headers=headers), 5)
    assert (await client.get(TASKS)).status_code == 200


@pytest.mark.parametrize("wanted", ["nonsense", "00000000-0000-7000-8000-000000000000"])
async def test_a_refused_workspace_header_counts_and_is_limited(client, wanted):
    for number in range(10):
        answer = await client.get(TASKS, headers={WORKSPACE_HEADER: wanted})
        assert (answer.status_code, told(answer)[:2]) == (400, (10, 9 - number))
        assert answer.json()["error"]["details"][0]["field"] == WORKSPACE_HEADER
    assert_limited(await client.get(TASKS, headers={WORKSPACE_HEADER: wanted}), 10)
    assert_limited(await client.get(TASKS), 10)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/tasks/", 308),
        ("DELETE", "/api/v1/tasks/?page=1", 308),
        ("GET", "/api/v1/", 308),
        ("GET", "/api/v1//tasks", 404),
        ("GET", "/api/v1/tasks%2Fx", 404),
        ("GET", "/api/v1%2ftasks", 404),
        ("GET", "/api/v1/%5Ctasks", 404),
    ],
)
async def test_misspelt_paths_are_answered_to_known_callers_and_counted(client, stranger, method, path, status):
    answer = await client.request(method, path)
    limit = 4 if method == "DELETE" else 10
    assert (answer.status_code, told(answer)[:2]) == (status, (limit, limit - 1))
    for left in (4, 3, 2, 1, 0):
        answer = await stranger.request(method, path)
        assert (answer.status_code, told(answer)[:2]) == (401, (5, left))
        assert "location" not in answer.headers
    assert_limited(await stranger.request(method, path), 5)
    for _ in range(limit - 1):
        assert (await client.request(method, path)).status_code == status
    assert_limited(await client.request(method, path), limit)


@pytest.mark.parametrize(("path", "status"), [("/docs/api/", 308), ("//api/v1/tasks", 404), ("/api/v1x/", 308)])
async def test_misspelt_paths_elsewhere_are_answered_to_anybody(stranger, path, status):
    transport_path = httpx2.URL("http://api").copy_with(raw_path=path.encode())
    answer = await stranger.get(transport_path)
    assert answer.status_code == status
    assert "x-ratelimit-limit" not in answer.headers


async def test_whoever_asks_a_misspelt_path_for_its_methods_need_be_nobody(stranger):
    assert (await stranger.options("/api/v1/tasks/")).status_code == 308


async def test_new_keys_bring_a_workspace_no_more_than_its_twenty_may_have_together(client, stranger, account, db):
    """Keys that are made and revoked one after another: their requests go on counting for the workspace."""
    passed, refused = 0, None
    for number in range(30):
        row = await db.fetchrow(
            "INSERT INTO api.api_keys (id, workspace_id, user_id, name, digest, last4, operator, created_at)"
            " VALUES (gen_random_uuid(), $1, $2, 'k', sha256($3::bytea), 'abcd', false, now()) RETURNING id",
            account.workspace_id,
            account.user_id,
            b"ft_%064x" % number,
        )
        for _ in range(10):
            answer = await stranger.get(TASKS, headers={"authorization": f"Bearer ft_{number:064x}"})
            passed += answer.status_code == 200
            refused = answer if answer.status_code == 429 else refused
        await db.execute("UPDATE api.api_keys SET revoked_at = now() WHERE id = $1", row["id"])
    assert passed == 200
    assert_limited(refused, 200)
    assert '"workspace-requests";q=200;w=60' in refused.headers["ratelimit-policy"]
    assert refused.headers["ratelimit"].startswith('"workspace-requests";r=0;t=')
    assert_limited(await client.get(TASKS), 200)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::"),
        ("testclient", "testclient"),
    ],
)
def test_what_counts_as_one_address(address, network):
    assert network_of(address) == network


@contextlib.asynccontextmanager
async def replica(settings, **changes):
    app = create_app(settings.model_copy(update=changes))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


def alone():
    return REGISTRY.get_sample_value("flowtask_rate_limits_alone")


async def test_replicas_share_limits_and_go_on_alone_while_the_server_is_away(settings, account, valkey):
    shared = {"redis_url": SecretStr(valkey.url)}
    async with replica(settings, **shared) as one, replica(settings, **shared) as two:
        answers = [await (one, two)[number % 2].get(TASKS, headers=account.headers) for number in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
        assert told(answers[9])[:2] == (10, 0)

        valkey.process.kill()
        answers = [await one.get(TASKS, headers=account.headers) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 7, "what it knows, never a 500"
        assert alone() == 1

        valkey.start()
        deadline = time.monotonic() + 10
        while (answer := await one.get(TASKS, headers=account.headers)).status_code != 200:
            assert time.monotonic() < deadline
        assert alone() == 0
        assert told(answer)[:2] == (10, 9), "the server begins anew"


async def test_a_server_that_stands_still_delays_one_request_a_little_and_refuses_none(settings, account, valkey):
    async with replica(settings, redis_url=SecretStr(valkey.url)) as one:
        assert (await one.get(TASKS, headers=account.headers)).status_code == 200
        valkey.process.signal("STOP")
        try:
            begun = time.monotonic()
            for _ in range(5):
                assert (await one.get(TASKS, headers=account.headers)).status_code == 200
            assert time.monotonic() - begun < 2
        finally:
            valkey.process.signal("CONT")
