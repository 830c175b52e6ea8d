from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_local.clock import Clock
from flowtask_webhook_dispatcher.dispatch.rates import UNLIMITED, Rates
from flowtask_webhook_dispatcher.endpoints.directory import Receiver
from flowtask_webhook_dispatcher.endpoints.policy import Policy


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rates(clock):
    return Rates(clock)


@pytest.fixture
def limited(make_receiver):
    return make_receiver(policy=Policy(rate=3, period=timedelta(seconds=2)))


def take(rates, receiver, number):
    for _ in range(number):
        rates.take(receiver)


def test_who_sets_no_rate_has_room(rates, make_receiver):
    receiver = make_receiver()
    take(rates, receiver, 1000)
    assert (rates.room(receiver), rates.again_in(receiver)) == (UNLIMITED, None)


def test_a_rate_is_used_up_and_comes_back(rates, clock, limited):
    assert rates.room(limited) == 3
    take(rates, limited, 2)
    clock.now += 1.5
    take(rates, limited, 1)
    assert rates.room(limited) == 0
    assert rates.again_in(limited) == timedelta(seconds=0.5)
    clock.now += 0.5
    assert (rates.room(limited), rates.again_in(limited)) == (2, None)


def test_a_replica_that_takes_over_lets_one_period_pass(rates, clock, limited):
    rates.leased(limited, 1)
    assert rates.room(limited) == 3, "nobody has sent before it"
    rates.leased(limited, 1)
    assert rates.room(limited) == 3
    rates.leased(limited, 3)
    assert (rates.room(limited), rates.again_in(limited)) == (0, timedelta(seconds=2))
    clock.now += 2
    assert rates.room(limited) == 3


@given(
    rate=st.integers(1, 6),
    steps=st.lists(st.tuples(st.floats(0, 3), st.lists(st.floats(0, 2), max_size=6)), max_size=60),
)
def test_no_period_ever_holds_more_than_the_rate(rate, steps):
    clock = Clock()
    rates = Rates(clock)
    policy = Policy(rate=rate, period=timedelta(seconds=1))
    receiver = Receiver(uuid4(), uuid4(), "", None, (), active=True, backlog=False, key=None, policy=policy)
    taken = []
    for pause, waits in steps:
        clock.now += pause
        for wait in waits[: rates.room(receiver)]:
            rates.take(receiver, after=wait)
            taken.append(clock.now + wait)
    for at in taken:
        assert sum(at <= other < at + 1 for other in taken) <= rate
