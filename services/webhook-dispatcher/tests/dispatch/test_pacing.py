"""How much of replays is taken in hand: little enough that others find room, and that it can be taken back soon."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from flowtask_kit.ids import new_id
from flowtask_webhook_dispatcher.dispatch.pacing import AHEAD_SECONDS, SLOWER, Pacing
from flowtask_webhook_dispatcher.dispatch.work import Stage


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_pacing(clock):
    def make(*, each=20, total=64, rate=250.0, spare=False, waits=()):
        lanes = SimpleNamespace(waits=lambda endpoint: endpoint in waits)
        return Pacing(lambda _endpoint: each, lanes, clock, total=total, rate=rate, spare=lambda: spare)

    return make


@pytest.fixture
def take(make_parcel, make_receiver):
    """Take so many in hand for each endpoint; the parcels, and in how many seconds each begins."""

    def some(pacing, rooms):
        parcels = [
            make_parcel(make_receiver(endpoint), arrival=False)
            for endpoint, number in rooms.items()
            for _ in range(number)
        ]
        return parcels, [pacing.take(parcel) for parcel in parcels]

    return some


def test_an_endpoint_gets_half_of_its_places_and_more_when_half_of_these_are_free(make_pacing, take):
    pacing, endpoint = make_pacing(), new_id()
    parcels, _ = take(pacing, {endpoint: pacing.room(endpoint)})
    assert len(parcels) == 10
    for parcel in parcels[:4]:
        parcel.stage = Stage.ENDED
    assert pacing.room(endpoint) == 0
    parcels[4].stage = Stage.ENDED
    assert pacing.room(endpoint) == 5


def test_nothing_is_taken_while_live_traffic_waits(make_pacing):
    busy, other = new_id(), new_id()
    assert make_pacing(waits={busy}).rooms([busy, other]) == {busy: 0, other: 10}


def test_those_that_are_claimed_from_at_once_share_what_may_be_in_hand(make_pacing, take):
    pacing, endpoints = make_pacing(), [new_id() for _ in range(30)]
    rooms = pacing.rooms(endpoints)
    assert 55 <= sum(rooms.values()) <= 64
    take(pacing, rooms)
    assert sum(pacing.rooms(endpoints).values()) <= 64 - sum(rooms.values())


def test_who_has_waited_longest_is_first(make_pacing, take, clock):
    pacing, endpoints = make_pacing(), [new_id() for _ in range(30)]
    had = dict.fromkeys(endpoints, 0)
    for _ in range(15):
        parcels, _ = take(pacing, rooms := pacing.rooms(endpoints))
        for parcel in parcels:
            parcel.stage = Stage.ENDED
        for each, number in rooms.items():
            had[each] += number
        clock.now += 1
    assert max(had.values()) - min(had.values()) <= 10


@pytest.mark.parametrize("rate", [5.0, 20.0, 250.0, 10_000.0])
@pytest.mark.parametrize("spare", [True, False])
def test_what_is_in_hand_begins_evenly_and_within_a_second(make_pacing, take, clock, rate, spare):
    pacing, endpoints = make_pacing(rate=rate, spare=spare), [new_id() for _ in range(30)]
    gap, begun = (SLOWER if spare else 1) / rate, []
    for _ in range(200):
        parcels, waits = take(pacing, pacing.rooms(endpoints))
        assert max(waits, default=0.0) <= AHEAD_SECONDS + gap
        begun += [clock.now + wait for wait in waits]
        for parcel in parcels:
            parcel.stage = Stage.ENDED
        clock.now += 0.1
    assert all(later - sooner >= gap - 1e-6 for sooner, later in pairwise(begun))
    assert len(begun) >= min(0.7 * 20 / gap, 200 * 50)  # in 20 s, as far as `total` lets it
