import asyncio
import time
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_api.rate_limits.memory import MemoryWindows
from flowtask_api.rate_limits.models import WINDOW_SECONDS, Limit, Window
from flowtask_api.rate_limits.patience import Patience
from flowtask_api.rate_limits.shared import SharedWindows
from flowtask_local.clock import Clock

WINDOW = WINDOW_SECONDS * 1000
PATIENCE = 20.0
"""Seconds that a busy machine may need to connect; what happens at a short deadline is tested with the limiter."""
TEN, THREE = Limit("requests", 10), Limit("writes", 3)


def windows_of(key, *limits):
    return [Window(f"{{{key}}}", limit) for limit in limits]


@pytest.fixture
def clock():
    return Clock(1_000_000)


@pytest.fixture
def windows(clock):
    return MemoryWindows(clock)


def test_as_many_calls_pass_as_the_limit_says_and_the_rest_do_not_count(windows, clock):
    for number in range(10):
        decision = windows.take(windows_of("k", TEN))
        assert decision.passes
        assert decision.tightest.remaining == 9 - number
        clock.now += 1000
    for _ in range(50):
        assert not windows.take(windows_of("k", TEN)).passes
    assert windows.take(windows_of("other", TEN)).passes
    clock.now = 1_000_000 + WINDOW
    assert windows.take(windows_of("k", TEN)).passes
    assert not windows.take(windows_of("k", TEN)).passes


def test_a_caller_who_asks_evenly_gets_all_of_the_limit_in_every_window(windows, clock):
    """One call a second for three minutes against three a minute: nine pass, because refusals do not count."""
    passed = 0
    for second in range(180):
        clock.now = 1_000_000 + second * 1000
        passed += windows.take(windows_of("k", THREE)).passes
    assert passed == 9


def test_a_refusal_says_when_the_call_passes_to_the_second(windows, clock):
    for at in (0, 10, 20):
        clock.now = 1_000_000 + at * 1000
        windows.take(windows_of("k", THREE))
    clock.now = 1_000_000 + 30_500
    decision = windows.take(windows_of("k", THREE))
    assert (decision.wait, decision.refusal.retry_after) == (29.5, 30)
    clock.now += 29_499
    assert not windows.take(windows_of("k", THREE)).passes
    clock.now += 1
    assert windows.take(windows_of("k", THREE)).passes


def test_a_write_counts_under_both_limits_or_under_none(windows):
    for _ in range(3):
        assert windows.take(windows_of("k", TEN, THREE)).passes
    refused = windows.take(windows_of("k", TEN, THREE))
    assert not refused.passes
    assert refused.tightest.limit is THREE
    assert windows.take(windows_of("k", TEN)).tightest.remaining == 6


def test_a_limit_that_became_smaller_counts_what_was_before(windows, clock):
    for _ in range(8):
        windows.take(windows_of("k", TEN))
        clock.now += 1000
    smaller = Limit("requests", 2)
    decision = windows.take(windows_of("k", smaller))
    assert (decision.passes, decision.tightest.remaining) == (False, 0)
    clock.now += round(decision.wait * 1000)
    assert windows.take(windows_of("k", smaller)).passes


def test_a_limit_of_nothing_lets_nothing_pass(windows):
    decision = windows.take(windows_of("k", Limit("requests", 0)))
    assert (decision.passes, decision.refusal.retry_after, decision.tightest.remaining) == (False, 60, 0)


def test_callers_who_are_quiet_are_forgotten(windows, clock):
    for number in range(1000):
        windows.take(windows_of(f"k{number}", TEN, THREE))
    assert len(windows) == 2000
    clock.now += WINDOW + 1
    windows.take(windows_of("k", TEN))
    assert len(windows) == 1


def test_a_window_begins_with_the_first_call_that_counts(windows):
    for number in range(100):
        assert not windows.take(windows_of(f"k{number}", TEN, Limit("writes", 0))).passes
    assert len(windows) == 0


def test_of_more_windows_than_may_be_those_of_the_longest_quiet_are_forgotten(clock):
    windows = MemoryWindows(clock, most=100)
    for _ in range(3):
        windows.take(windows_of("first", THREE))
        windows.take(windows_of("busy", THREE))
    for number in range(99):
        clock.now += 1
        windows.take(windows_of(f"k{number}", THREE))
        windows.note(windows_of("busy", THREE))
    assert len(windows) == 100
    assert not windows.take(windows_of("busy", THREE)).passes
    assert windows.take(windows_of("first", THREE)).tightest.remaining == 2, "it was forgotten"


def test_what_has_passed_elsewhere_counts_here(windows, clock):
    for _ in range(12):
        windows.note(windows_of("k", TEN, THREE))
        clock.now += 1000
    decision = windows.take(windows_of("k", TEN))
    assert (decision.passes, decision.wait) == (False, 50.0)
    clock.now += 50_000
    assert windows.take(windows_of("k", TEN)).passes


@given(
    most=st.integers(min_value=1, max_value=5),
    steps=st.lists(st.integers(min_value=0, max_value=30_000), min_size=1, max_size=60),
)
def test_no_window_ever_holds_more_than_the_limit_and_every_wait_is_right(most, steps):
    clock = Clock()
    windows, limit, passed = MemoryWindows(clock), Limit("requests", most), []
    for step in steps:
        clock.now += step
        inside = [at for at in passed if at > clock.now - WINDOW]
        decision = windows.take(windows_of("k", limit))
        assert decision.passes == (len(inside) < most)
        if decision.passes:
            passed.append(clock.now)
            assert decision.tightest.remaining == most - len(inside) - 1
        else:
            then = clock.now + round(decision.wait * 1000)
            assert len([at for at in inside if at > then - WINDOW]) < most, "after the wait there is room"
            assert len([at for at in inside if at > then - 1 - WINDOW]) >= most, "and not before"


@pytest.fixture
async def shared(valkey):
    several = [SharedWindows(valkey.url, within=PATIENCE) for _ in range(2)]
    yield several
    for windows in several:
        await windows.close()


async def taken(windows, key, *limits):
    assert await windows.place()
    try:
        return await windows.take(windows_of(key, *limits))
    finally:
        windows.leave()


async def test_replicas_share_their_windows_and_refusals_do_not_count(shared, valkey):
    key = str(uuid4())
    decisions = [await taken(shared[number % 2], key, TEN, THREE) for number in range(9)]
    assert [decision.passes for decision in decisions] == [True] * 3 + [False] * 6
    assert [decision.tightest.remaining for decision in decisions[:3]] == [2, 1, 0]
    assert 55 < decisions[-1].wait <= 60
    assert decisions[-1].tightest.limit is THREE
    reading = await taken(shared[0], key, TEN)
    assert reading.tightest.remaining == 6
    assert 0 < valkey.client.pttl(f"flowtask:rate:{{{key}}}:requests") <= 60_000
    assert valkey.client.zcard(f"flowtask:rate:{{{key}}}:writes") == 3


async def test_of_many_at_once_exactly_as_many_pass_as_the_limit_says(shared):
    key = str(uuid4())
    decisions = await asyncio.gather(*(taken(shared[number % 2], key, Limit("requests", 37)) for number in range(200)))
    assert sum(decision.passes for decision in decisions) == 37


async def test_what_has_left_the_shared_window_no_longer_counts(shared, valkey):
    key = str(uuid4())
    for _ in range(3):
        await taken(shared[0], key, THREE)
    name = f"flowtask:rate:{{{key}}}:writes"
    refused = await taken(shared[0], key, THREE)
    first, *_ = valkey.client.zrange(name, 0, -1)
    valkey.client.zincrby(name, -refused.wait * 1000 - 5, first)
    assert (await taken(shared[0], key, THREE)).passes
    assert not (await taken(shared[0], key, THREE)).passes
    assert not (await taken(shared[0], str(uuid4()), Limit("requests", 0))).passes


async def test_waiting_ends_after_the_time_that_it_was_given():
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        async with Patience(0.1):
            await asyncio.Event().wait()
    assert 0.09 < time.monotonic() - begun < 5


async def test_what_came_while_this_process_was_busy_came_in_time():
    answered = asyncio.Event()

    async def answer():
        for _ in range(5):
            await asyncio.sleep(0)
        answered.set()

    async with Patience(0.1):
        answering = asyncio.create_task(answer())
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - a loop that does something else
        await answered.wait()
    await answering


async def test_an_end_from_outside_is_no_timeout():
    async def wait():
        async with Patience(60):
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
