"""Who decides when a server is busy, slow or gone, and what is known then."""

import asyncio
import time
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from flowtask_api.rate_limits.limiter import Limiter
from flowtask_api.rate_limits.models import Quota
from flowtask_api.rate_limits.shared import SharedWindows
from flowtask_api.settings import ApiSettings
from flowtask_contracts.resources import Plan

WITHIN = ApiSettings.model_fields["redis_seconds"].default


@pytest.fixture
async def replicas(valkey):
    made = [
        Limiter({Plan.FREE: (100, 30)}, keys=20, failures=5, shared=SharedWindows(valkey.url, within=WITHIN))
        for _ in range(2)
    ]
    yield made
    for limiter in made:
        await limiter.close()


@pytest.fixture
def quota():
    return Quota(f"key:{uuid4()}", Plan.FREE, uuid4())


def alone():
    return REGISTRY.get_sample_value("flowtask_rate_limits_alone")


async def passed(limiter, quota, calls):
    """How many of so many at once pass, each of which keeps the process busy for a while."""

    async def ask():
        decision = await limiter.request(quota, "GET")
        time.sleep(0.002)  # noqa: ASYNC251 - this is the load
        return decision.passes

    return sum(await asyncio.gather(*(ask() for _ in range(calls))))


async def test_load_is_no_outage_and_brings_nobody_a_second_window(replicas, quota):
    """So many at once keep the places at the server, and this process, busy for longer than the server may take.

    That is far below what may be waited for a place, on a machine that is busy with other things too.
    """
    found = [await passed(limiter, quota, 250) for limiter in replicas]
    assert (found, alone()) == ([100, 0], 0)


async def test_a_process_that_stands_still_for_a_moment_goes_on_sharing(replicas, quota):
    for limiter in replicas:
        await limiter.request(quota, "GET")
    asking = asyncio.create_task(passed(replicas[0], quota, 20))
    for _ in range(3):
        await asyncio.sleep(0)
    time.sleep(2 * WITHIN)  # noqa: ASYNC251 - nothing is read meanwhile
    assert (await asking, alone()) == (20, 0)
    assert (await replicas[1].request(quota, "GET")).rooms[0].remaining == 77


async def test_too_many_who_wait_are_decided_on_with_what_is_known_here(replicas, quota, valkey):
    one, _ = replicas
    assert await passed(one, quota, 60) == 60
    valkey.process.signal("STOP")
    try:
        begun = time.monotonic()
        assert await passed(one, quota, 300) == 40
        assert time.monotonic() - begun < 5
        assert alone() == 1
    finally:
        valkey.process.signal("CONT")


async def test_addresses_are_known_too_when_the_server_goes(replicas, valkey):
    one, address = replicas[0], str(uuid4())
    assert [(await one.failure(address)).passes for _ in range(4)] == [True] * 4
    valkey.process.signal("STOP")
    try:
        assert [(await one.failure(address)).passes for _ in range(3)] == [True, False, False]
    finally:
        valkey.process.signal("CONT")
