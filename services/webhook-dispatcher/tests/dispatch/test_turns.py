"""Whose turn it is, decided by a real database; how far the stream is on record says the test."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtask_kit.database.engine import SERVER_SETTINGS
from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id
from flowtask_webhook_dispatcher.deliveries.models import NEVER
from flowtask_webhook_dispatcher.dispatch import order_statements
from flowtask_webhook_dispatcher.dispatch.statements import WALKING
from flowtask_webhook_dispatcher.dispatch.turns import Turns
from flowtask_webhook_dispatcher.dispatch.work import Place

LEASE = timedelta(seconds=25)


@pytest.fixture
def wait(pool, workspace):
    """Rows that wait for their turn: (place in the stream, key, group); gives their ids in that order."""

    async def make(endpoint, rows, *, at=NEVER, attempts=0, blocked_at=None, leased=False):
        events = [new_id() for _ in rows]
        ids = [delivery_id(event, endpoint) for event in events]
        columns = [list(column) for column in zip(*rows, strict=True)]
        until = utc_now() + LEASE if leased else utc_now() - LEASE
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)"
                " SELECT e, $1, 'task.created', '', s, '{}' FROM unnest($2::uuid[], $3::bigint[]) AS r(e, s)",
                workspace,
                events,
                columns[0],
            )
            await connection.execute(
                "INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, order_key, order_group,"
                " next_attempt_at, attempts, blocked_at, lease_until) SELECT d, e, $1, s, k, g, $2, $3, $4, $5"
                " FROM unnest($6::uuid[], $7::uuid[], $8::bigint[], $9::text[], $10::text[]) AS r(d, e, s, k, g)",
                *(endpoint, at, attempts, blocked_at, until, ids, events, *columns),
            )
        return ids

    return make


@pytest.fixture
def turns(level):
    return Turns(level)


@pytest.fixture
def turn(pool, turns):
    """Look, and claim: the places in the stream of the rows that had their turn."""

    async def take(*endpoints, room=100, turns=turns):
        async with pool.acquire() as connection:
            await turns.look(connection, endpoints)
            now = utc_now()
            rows = await turns.claim(connection, dict.fromkeys(endpoints, room), now, now + LEASE)
        return sorted(row["stream_seq"] for row in rows)

    return take


@pytest.fixture
def end(pool, turns, make_parcel, make_receiver):
    """An attempt succeeds: its row goes, and the turns hear of it."""

    async def settle(endpoint, seq, *, told=True):
        [row] = await pool.fetch(
            "DELETE FROM webhooks.due WHERE endpoint_id = $1 AND stream_seq = $2 RETURNING order_key, order_group",
            *(endpoint, seq),
        )
        if told:
            turns.ended(make_parcel(make_receiver(endpoint), place=Place(*row)))

    return settle


async def test_the_first_of_each_key_has_its_turn_once_and_the_next_when_it_has_ended(wait, turn, end, level):
    endpoint = new_id()
    await wait(endpoint, [(1, "a", None), (2, "b", None), (3, "a", None), (4, "a", None), (5, "b", None)])
    level.known = 5
    assert await turn(endpoint) == [1, 2]
    assert await turn(endpoint) == []
    await end(endpoint, 1)
    assert await turn(endpoint) == [3]
    await end(endpoint, 3)
    await end(endpoint, 2)
    assert await turn(endpoint) == [4, 5]


async def test_nothing_from_above_the_floor_has_its_turn_until_that_has_risen(wait, turn, level):
    """A message before it may still become a row of its key."""
    endpoint = new_id()
    level.known = 3
    await wait(endpoint, [(2, "a", None), (5, "b", None)])
    assert await turn(endpoint) == [2]
    assert level.wanted[-1] == 5
    await wait(endpoint, [(4, "b", None)])
    level.known = 5
    assert await turn(endpoint) == [4]


async def test_nothing_has_its_turn_while_it_is_not_known_how_far_the_stream_is_on_record(wait, turn, level):
    endpoint = new_id()
    await wait(endpoint, [(1, "a", None)])
    level.known = None
    assert await turn(endpoint) == []
    assert level.wanted == [0]
    level.known = 1
    assert await turn(endpoint) == [1]


async def test_an_endpoint_waits_while_it_cannot_be_told_whether_its_rows_are_of_this_stream(wait, turn, level):
    endpoint = new_id()
    await wait(endpoint, [(1, "a", None), (9, "a", None)])
    level.known, level.last = 1, None
    assert await turn(endpoint) == []
    level.last = 9
    assert await turn(endpoint) == [1]


async def test_two_replicas_that_both_believe_to_hold_the_lease_do_not_both_send(wait, turn, level):
    endpoint = new_id()
    level.known = 1000
    rows = await wait(endpoint, [(number, f"key-{number % 50}", None) for number in range(1, 201)])
    both = await asyncio.gather(*(turn(endpoint, turns=Turns(level)) for _ in range(4)))
    assert sorted(seq for some in both for seq in some) == list(range(1, 51))
    assert len(rows) == 200


async def test_a_replica_that_takes_over_waits_for_the_end_of_what_is_under_way_elsewhere(wait, turn, end, level):
    endpoint = new_id()
    level.known = 10
    await wait(endpoint, [(1, "a", None)], at=utc_now(), leased=True)
    await wait(endpoint, [(2, "a", None), (3, "b", None)])
    assert await turn(endpoint) == [3]
    await end(endpoint, 1)
    assert await turn(endpoint) == [2]


@pytest.mark.parametrize("first", [{"attempts": 2, "at": utc_now() + LEASE}, {"attempts": 4, "blocked_at": utc_now()}])
async def test_what_is_tried_again_or_blocks_keeps_its_place(wait, turn, level, first):
    endpoint = new_id()
    level.known = 10
    await wait(endpoint, [(1, "a", "g")], **first)
    await wait(endpoint, [(2, "a", None), (3, "b", "g"), (4, "c", None)])
    assert await turn(endpoint) == [4]


async def test_rows_that_go_without_an_attempt_of_this_process_are_noticed_after_a_while(wait, turn, end, level, until):
    endpoint = new_id()
    level.known = 10
    await wait(endpoint, [(1, "a", None), (2, "a", None)])
    assert await turn(endpoint) == [1]
    await end(endpoint, 1, told=False)

    async def second():
        return await turn(endpoint) == [2]

    await until(second, 10)


async def test_no_more_than_there_is_room_for_has_its_turn_and_nobody_is_forgotten(wait, turn, level):
    endpoint, other = new_id(), new_id()
    level.known = 5000
    await wait(endpoint, [(number, f"key-{number}", None) for number in range(1, 3001)])
    await wait(other, [(1, "a", None)])
    had, rounds = [], 0
    while len(had) < 3001:
        had += await turn(endpoint, other, room=500)
        rounds += 1
    assert sorted(had) == sorted([*range(1, 3001), 1])
    assert rounds <= 8


async def test_rows_of_a_stream_that_is_no_more_go_before_those_of_the_one_there_is(wait, turn, end, level, sql):
    endpoint = new_id()
    await wait(endpoint, [(5001, "a", None), (5000, "a", None), (5002, "b", None)])
    await wait(endpoint, [(3, "a", None), (4, "b", None)])
    level.known = level.last = 4
    first = await turn(endpoint)
    assert len(first) == 2
    assert all(seq < 0 for seq in first)
    rows = await sql("SELECT stream_seq, order_key FROM webhooks.due ORDER BY stream_seq")
    assert [row["order_key"] for row in rows] == ["a", "a", "b", "a", "b"]
    await end(endpoint, rows[0]["stream_seq"])
    assert await turn(endpoint) == [rows[1]["stream_seq"]]
    await end(endpoint, rows[1]["stream_seq"])
    assert await turn(endpoint) == [3]


async def test_what_a_server_has_forgotten_to_have_given_is_not_taken_for_another_stream(wait, turn, level, sql):
    endpoint = new_id()
    level.known, level.last = 2, 9
    await wait(endpoint, [(1, "a", None)])
    assert await turn(endpoint) == [1]
    await wait(endpoint, [(8, "a", None)])
    level.doubted = True
    assert await turn(endpoint) == []
    assert await turn(endpoint) == []
    assert [row["stream_seq"] for row in await sql("SELECT stream_seq FROM webhooks.due ORDER BY 1")] == [1, 8]


KEYS = st.sampled_from("abc")
STATES = st.sampled_from(["waits", "waits", "waits", "tried", "blocks", "sent"])


@given(rows=st.lists(st.tuples(KEYS, KEYS | st.none(), STATES), max_size=12), floor=st.integers(0, 12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whose_turn_it_is_is_what_a_naive_reading_says(wait, pool, rows, floor):
    endpoint, now = new_id(), utc_now()
    kinds = {
        "waits": {},
        "tried": {"at": now + LEASE, "attempts": 1},
        "blocks": {"blocked_at": now, "attempts": 4},
        "sent": {"at": now, "leased": True},
    }
    for seq, (key, group, state) in enumerate(rows, start=1):
        await wait(endpoint, [(seq, key, group)], **kinds[state])
    expected = {
        seq
        for seq, (key, group, state) in enumerate(rows, start=1)
        if state == "waits"
        and seq <= floor
        and all(key != other for other, _, _ in rows[: seq - 1])
        and all(group is None or group != other for _, other, _ in rows[: seq - 1])
    }
    wanted = {(grouped, key) for grouped in (True, False) for key in "abc"}
    columns = ([endpoint] * len(wanted), [grouped for grouped, _ in wanted], [key for _, key in wanted])
    found = await pool.fetch(order_statements.TURN, *columns, floor, now, now + LEASE)
    assert {row["stream_seq"] for row in found} == expected
    assert len(found) == len(expected)


@pytest.fixture
async def walking(database_url):
    """A connection as the dispatcher has it."""
    connection = await asyncpg.connect(database_url, server_settings={**SERVER_SETTINGS, **WALKING})
    yield connection
    await connection.close()


@pytest.fixture
def pages(walking):
    """How many pages a statement reads; with its plan."""

    async def read(statement, *arguments):
        rows = await walking.fetch("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) " + statement, *arguments)
        plan = "\n".join(row[0] for row in rows).partition("Planning:")[0]
        return max((int(part.split()[0]) for part in plan.split("hit=")[1:]), default=0), plan

    return read


@pytest.mark.parametrize("kind", ["generic", "custom"])
async def test_what_was_known_of_the_table_before_it_filled_makes_no_row_wait(wait, walking, pages, pool, kind):
    """A table that was large and is nearly empty looks as if a key had hardly any rows, which could all be gathered and sorted."""
    endpoint, now = new_id(), utc_now()
    await wait(new_id(), [(seq, f"{seq % 200}", None) for seq in range(20_000)])
    await pool.execute("DELETE FROM webhooks.due")
    await wait(endpoint, [(seq, f"{seq}", None) for seq in range(250)])
    await pool.execute("VACUUM ANALYZE webhooks.due")
    await pool.execute("DELETE FROM webhooks.due")
    await wait(endpoint, [(seq, f"{seq % 20}", f"{seq % 10}") for seq in range(1000, 11_000)])
    await walking.execute(f"SET plan_cache_mode = force_{kind}_plan")
    columns = [endpoint] * 40, [True] * 20 + [False] * 20, [f"{key}" for key in range(20)] * 2
    for statement, arguments, most in (
        (order_statements.TURN, (*columns, 20_000, now, now), 40 * 30),
        (order_statements.KEYS, ([endpoint], [""], 500), 300 * 10),
        (order_statements.ARRIVED, ([endpoint], [10_990], 500), 100),
    ):
        read, plan = await pages(statement, *arguments)
        assert read < most, plan


@pytest.mark.parametrize("kind", ["generic", "custom"])
async def test_a_hundred_thousand_rows_behind_one_key_cost_the_others_nothing(
    wait, turn, pool, level, kind, walking, pages
):
    endpoint = new_id()
    level.known = 1_000_000
    await wait(endpoint, [(1, "stuck", None)], attempts=4, blocked_at=utc_now())
    for begin in range(2, 100_002, 25_000):
        await wait(endpoint, [(seq, "stuck", None) for seq in range(begin, begin + 25_000)])
    await pool.execute("ANALYZE webhooks.due")
    assert await turn(endpoint) == []
    await wait(endpoint, [(200_000, "free", None)])
    now = utc_now()
    await walking.execute(f"SET plan_cache_mode = force_{kind}_plan")
    for statement, arguments in (
        (order_statements.TURN, ([endpoint] * 2, [False] * 2, ["stuck", "free"], 1_000_000, now, now)),
        (order_statements.KEYS, ([endpoint], [""], 500)),
        (order_statements.ARRIVED, ([endpoint], [150_000], 500)),
        (order_statements.LAST, (endpoint,)),
        (order_statements.UNBLOCK, ([new_id()], 500)),
    ):
        read, plan = await pages(statement, *arguments)
        assert read < 100, plan


async def test_whoever_remembers_an_endpoint_as_it_was_before_it_was_ordered_lets_nothing_of_it_go(
    wait, make_endpoint, pool
):
    ordered, loose, gone = await make_endpoint(), await make_endpoint(), await make_endpoint(deleted=True)
    await pool.execute("UPDATE webhooks.endpoints SET ordering = 'resource' WHERE id = ANY ($1)", [ordered, gone])
    for endpoint in (ordered, loose, gone):
        await wait(endpoint, [(1, "a", None), (2, "a", None)])
    await pool.execute(order_statements.LET_GO, [ordered, loose, gone], utc_now(), 100)
    kept = await pool.fetch("SELECT DISTINCT endpoint_id FROM webhooks.due WHERE order_key IS NOT NULL")
    assert [row["endpoint_id"] for row in kept] == [ordered]
    due = await pool.fetchval("SELECT count(*) FROM webhooks.due WHERE next_attempt_at < $1", utc_now())
    assert due == 4


async def test_whoever_remembers_that_an_endpoint_skips_unblocks_nothing_of_one_that_blocks(wait, make_endpoint, pool):
    blocks, skips = await make_endpoint(), await make_endpoint()
    await pool.execute("UPDATE webhooks.endpoints SET ordering = 'resource'")
    await pool.execute("UPDATE webhooks.endpoints SET after_last_try = 'block' WHERE id = $1", blocks)
    for endpoint in (blocks, skips):
        await wait(endpoint, [(1, "a", None)], attempts=4, blocked_at=utc_now())
    rows = await pool.fetch(order_statements.UNBLOCK, [blocks, skips], 100)
    assert [row["endpoint_id"] for row in rows] == [skips]
    assert await pool.fetchval("SELECT endpoint_id FROM webhooks.due") == blocks
