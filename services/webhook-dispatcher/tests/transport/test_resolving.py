import asyncio
import socket

import pytest

from flowtask_webhook_dispatcher.transport import Resolver


@pytest.fixture
def resolver():
    resolver = Resolver(threads=2)
    yield resolver
    resolver.close()


async def test_localhost_has_a_loopback_address(resolver):
    assert {"127.0.0.1", "::1"} & set(await resolver("localhost", 80))


async def test_a_literal_resolves_to_itself(resolver):
    assert await resolver("192.0.2.7", 80) == ["192.0.2.7"]


async def test_a_name_that_cannot_exist_raises_gaierror(resolver):
    with pytest.raises(socket.gaierror):
        await resolver("192.0.2.7.", 80)


async def test_many_lookups_of_one_name_share_their_answer(resolver):
    answers = await asyncio.gather(*(resolver("localhost", 80) for _ in range(500)))
    assert all(answer is answers[0] for answer in answers)


async def test_cancelling_one_lookup_leaves_the_others_their_answer(resolver):
    first, second = (asyncio.create_task(resolver("localhost", 80)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert first.cancelled()
