import asyncio
import random
from collections import Counter
from dataclasses import replace
from uuid import uuid4

import pytest

from flowtask_webhook_dispatcher.dispatch.lanes import MOST_WAITING, QUEUE, Lanes
from flowtask_webhook_dispatcher.dispatch.work import Stage


class Post:
    """Sends that end when they are told to."""

    def __init__(self):
        self.begun = []
        self.doors = {}
        self.most = Counter()
        self.now = Counter()

    async def __call__(self, parcel):
        parcel.stage = Stage.SENDING
        endpoint = parcel.receiver.id
        self.begun.append(parcel)
        for key in (endpoint, "all"):
            self.now[key] += 1
            self.most[key] = max(self.most[key], self.now[key])
        await self.doors.setdefault(endpoint, asyncio.Event()).wait()
        for key in (endpoint, "all"):
            self.now[key] -= 1

    def open(self, receiver):
        self.doors.setdefault(receiver.id, asyncio.Event()).set()


@pytest.fixture
def post():
    return Post()


@pytest.fixture
async def make_lanes(post):
    made = []

    def make(each=2, total=100, send=post, freed=lambda _endpoint: None, short=lambda: False):
        lanes = Lanes(send, freed, lambda _endpoint: each, total=total, short=short)
        made.append(lanes)
        return lanes

    yield make
    for lanes in made:
        lanes.close()
        lanes.abandon()
        await lanes.idle()


async def rest():
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_endpoint_gets_so_many_at_once_and_in_order(make_lanes, post, make_receiver, make_parcel):
    lanes, receiver = make_lanes(each=2), make_receiver()
    parcels = [make_parcel(receiver) for _ in range(6)]
    assert all(lanes.offer(parcel) for parcel in parcels)
    await rest()
    assert post.begun == parcels[:2]
    post.open(receiver)
    await lanes.idle()
    assert post.begun == parcels
    assert post.most[receiver.id] == 2


async def test_a_full_queue_takes_no_more_and_no_other_endpoint_notices(make_lanes, post, make_receiver, make_parcel):
    lanes, slow, fast = make_lanes(each=1), make_receiver(), make_receiver()
    post.open(fast)
    assert all(lanes.offer(make_parcel(slow)) for _ in range(MOST_WAITING + 1)), "it is trusted at first"
    assert not lanes.offer(make_parcel(slow))
    other = make_parcel(fast)
    assert lanes.offer(other)
    await rest()
    assert other in post.begun


async def test_while_the_process_itself_is_short_of_time_no_queue_is_full(make_lanes, make_receiver, make_parcel):
    busy = [True]
    lanes, receiver = make_lanes(each=1, short=lambda: busy[0]), make_receiver()
    assert all(lanes.offer(make_parcel(receiver)) for _ in range(MOST_WAITING + 50))
    assert lanes.in_hand == MOST_WAITING + 50
    busy.clear()
    busy.append(False)
    assert not lanes.offer(make_parcel(receiver))


async def test_what_is_in_hand_is_counted_through_everything_that_becomes_of_it(
    make_lanes, post, make_receiver, make_parcel
):
    lanes, receiver = make_lanes(each=2), make_receiver()
    parcels = [make_parcel(receiver) for _ in range(6)]
    for parcel in parcels:
        lanes.offer(parcel)
    await rest()
    assert lanes.in_hand == 6
    lanes.withdraw(parcels[5])
    assert lanes.in_hand == 5
    post.open(receiver)
    await lanes.idle()
    assert lanes.in_hand == 0


async def test_an_endpoint_that_is_known_to_be_slow_has_a_short_queue_and_a_fast_one_a_long_one(
    make_lanes, make_receiver, make_parcel
):
    async def send(parcel):
        await asyncio.sleep(0.02 if parcel.receiver is slow else 0)

    lanes, slow, fast = make_lanes(each=1, send=send), make_receiver(), make_receiver()
    for receiver in (slow, fast):
        for _ in range(3):
            assert lanes.offer(make_parcel(receiver))
    while lanes._lanes[slow.id].under_way and not lanes._lanes[slow.id].known:
        await asyncio.sleep(0.005)
    taken = sum(lanes.offer(make_parcel(slow)) for _ in range(MOST_WAITING))
    assert QUEUE - 3 <= taken <= QUEUE


async def test_workspaces_take_turns_and_many_endpoints_of_one_leave_a_place_for_another(
    make_lanes, post, make_receiver, make_parcel
):
    lanes = make_lanes(each=4, total=16)
    greedy = [make_receiver() for _ in range(20)]
    for receiver in greedy:
        for _ in range(4):
            assert lanes.offer(make_parcel(receiver))
    await rest()
    assert post.now["all"] == 14, "the last places are for workspaces that have none"
    other = replace(make_receiver(), workspace_id=uuid4())
    parcel = make_parcel(other)
    assert lanes.offer(parcel)
    await rest()
    assert parcel in post.begun


async def test_the_places_of_all_are_never_exceeded_and_endpoints_take_turns(
    make_lanes, post, make_receiver, make_parcel
):
    lanes = make_lanes(each=4, total=8)
    receivers = [make_receiver() for _ in range(6)]
    for receiver in receivers:
        for _ in range(10):
            assert lanes.offer(make_parcel(receiver))
    await rest()
    assert post.now["all"] <= 8
    for receiver in receivers:
        post.open(receiver)
    await lanes.idle()
    assert len(post.begun) == 60
    assert post.most["all"] <= 8


@pytest.mark.parametrize("seed", range(12))
async def test_no_limit_is_ever_exceeded_and_everything_is_sent(make_lanes, post, make_receiver, make_parcel, seed):
    chance = random.Random(seed)  # noqa: S311 - only the order of a test
    waits = {}

    async def send(parcel):
        parcel.stage = Stage.SENDING
        for key in (parcel.receiver.id, "all"):
            post.now[key] += 1
            post.most[key] = max(post.most[key], post.now[key])
        for _ in range(waits[parcel.receiver.id]):
            await asyncio.sleep(0)
        post.begun.append(parcel)
        for key in (parcel.receiver.id, "all"):
            post.now[key] -= 1

    lanes = make_lanes(each=3, total=8, send=send)
    receivers = [make_receiver() for _ in range(5)]
    waits.update((receiver.id, chance.choice([1, 5, 40])) for receiver in receivers)
    parcels = []
    for _ in range(400):
        parcel = make_parcel(chance.choice(receivers))
        if lanes.offer(parcel):
            parcels.append(parcel)
        if parcels and chance.random() < 0.1 and parcels[-1].stage is Stage.WAITING:
            lanes.withdraw(parcels.pop())
        for _ in range(chance.choice([0, 0, 1, 10])):
            await asyncio.sleep(0)
    await lanes.idle()
    assert set(parcels) <= set(post.begun)
    assert post.most["all"] <= 8
    assert max(post.most[receiver.id] for receiver in receivers) <= 3
    assert lanes._lanes == {}


async def test_hanging_endpoints_leave_places_for_those_that_have_none(make_lanes, post, make_receiver, make_parcel):
    lanes = make_lanes(each=4, total=16)
    for _ in range(3):
        hanging = make_receiver()
        for _ in range(20):
            lanes.offer(make_parcel(hanging))
    fast = make_receiver()
    post.open(fast)
    parcels = [make_parcel(fast) for _ in range(10)]
    for parcel in parcels:
        assert lanes.offer(parcel)
    await rest()
    assert all(parcel in post.begun for parcel in parcels)


async def test_the_longest_waiting_endpoint_gets_the_place_that_becomes_free(
    make_lanes, post, make_receiver, make_parcel
):
    lanes = make_lanes(each=4, total=1)
    first, busy, last = (make_receiver() for _ in range(3))
    begun = make_parcel(first)
    lanes.offer(begun)
    for _ in range(5):
        lanes.offer(make_parcel(busy))
    waiting = make_parcel(last)
    lanes.offer(waiting)
    for receiver in (first, busy, last):
        post.open(receiver)
    await lanes.idle()
    assert post.begun.index(waiting) == 2


async def test_a_withdrawn_parcel_is_not_sent_and_makes_room(make_lanes, post, make_receiver, make_parcel):
    lanes, receiver = make_lanes(each=1), make_receiver()
    parcels = [make_parcel(receiver) for _ in range(QUEUE + 1)]
    for parcel in parcels:
        assert lanes.offer(parcel)
    lanes.withdraw(parcels[5])
    lanes.withdraw(parcels[5])
    extra = make_parcel(receiver)
    assert lanes.offer(extra)
    post.open(receiver)
    await lanes.idle()
    assert post.begun == [parcel for parcel in parcels if parcel is not parcels[5]] + [extra]


async def test_nothing_is_remembered_of_endpoints_without_work(make_lanes, post, make_receiver, make_parcel):
    lanes = make_lanes(each=1, total=2)
    for _ in range(20):
        receiver = make_receiver()
        post.open(receiver)
        parcels = [make_parcel(receiver) for _ in range(3)]
        for parcel in parcels:
            lanes.offer(parcel)
        lanes.withdraw(parcels[1])
    await lanes.idle()
    assert lanes._lanes == {}
    assert not lanes._turns


async def test_a_constantly_busy_endpoint_takes_its_turn_once(make_lanes, post, make_receiver, make_parcel):
    lanes, receiver = make_lanes(each=1, total=1), make_receiver()
    post.open(receiver)
    for _ in range(QUEUE):
        lanes.offer(make_parcel(receiver))
        assert len(lanes._turns) <= 1
    await lanes.idle()


async def test_closing_hands_over_what_was_not_sent_and_begins_nothing_more(
    make_lanes, post, make_receiver, make_parcel
):
    lanes, receiver = make_lanes(each=2), make_receiver()
    parcels = [make_parcel(receiver) for _ in range(5)]
    for parcel in parcels:
        lanes.offer(parcel)
    await rest()
    assert lanes.close() == parcels[2:]
    post.open(receiver)
    await lanes.idle()
    assert post.begun == parcels[:2]


async def test_closing_also_hands_over_what_waits_for_the_database(make_lanes, make_receiver, make_parcel):
    healthy, posted = asyncio.Event(), []

    async def send(parcel):
        await healthy.wait()
        posted.append(parcel)

    lanes, receiver = make_lanes(each=1, send=send), make_receiver()
    parcels = [make_parcel(receiver) for _ in range(3)]
    for parcel in parcels:
        lanes.offer(parcel)
    await rest()
    assert set(lanes.close()) == set(parcels)
    healthy.set()
    await lanes.idle()
    assert posted == []


async def test_a_send_that_fails_frees_its_place(make_lanes, make_receiver, make_parcel):
    tried = []

    async def send(parcel):
        tried.append(parcel)
        raise RuntimeError("ours")

    lanes, receiver = make_lanes(each=1, send=send), make_receiver()
    parcels = [make_parcel(receiver) for _ in range(3)]
    for parcel in parcels:
        lanes.offer(parcel)
    await lanes.idle()
    assert tried == parcels
    assert {parcel.stage for parcel in parcels} == {Stage.ENDED}


async def test_room_is_told_in_sets_and_grows_for_a_fast_receiver(make_lanes, post, make_receiver, make_parcel, until):
    freed = []
    lanes, receiver = make_lanes(each=4, freed=freed.append), make_receiver()
    assert lanes.room(receiver.id) == 8
    for _ in range(6):
        lanes.offer(make_parcel(receiver))
    assert lanes.room(receiver.id) == 0
    await rest()
    post.open(receiver)
    for _ in range(40):
        lanes.offer(make_parcel(receiver))
    await until(lambda: not lanes._lanes[receiver.id].waiting, pause=0)
    assert lanes.room(receiver.id) > 8
    await lanes.idle()
    assert freed == [receiver.id] * 46
