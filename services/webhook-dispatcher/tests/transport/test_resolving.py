import asyncio
import socket
import threading

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


async def test_a_lookup_that_nobody_waits_for_any_more_never_begins(until):
    begun, release = [], threading.Event()

    def look_up(host, _port):
        begun.append(host)
        release.wait(5)
        return ["192.0.2.7"]

    resolver = Resolver(threads=1, look_up=look_up)
    waiting = [asyncio.create_task(resolver(f"{name}.example", 80)) for name in ("hanging", "left", "kept", "kept")]
    await until(lambda: begun == ["hanging.example"])
    for task in waiting[:3]:
        task.cancel()
    await asyncio.wait(waiting[:3])
    release.set()
    assert await waiting[3] == ["192.0.2.7"]
    assert begun == ["hanging.example", "kept.example"]
    assert await resolver("left.example", 80) == ["192.0.2.7"]  # asked for again, it is looked up
    assert begun == ["hanging.example", "kept.example", "left.example"]
    resolver.close()
