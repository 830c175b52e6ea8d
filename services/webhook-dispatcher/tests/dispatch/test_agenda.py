from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from flowtask_webhook_dispatcher.dispatch.agenda import Agenda

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def seconds(number):
    return NOW + timedelta(seconds=number)


def test_a_time_that_becomes_the_first_is_told():
    agenda = Agenda()
    assert agenda.add(seconds(5))
    assert not agenda.add(seconds(6))
    assert agenda.add(seconds(1))
    assert not agenda.add(seconds(1))


def test_times_come_once():
    agenda = Agenda()
    agenda.add(seconds(1))
    agenda.add(seconds(2))
    assert not agenda.come(seconds(0.9))
    assert agenda.come(seconds(1))
    assert not agenda.come(seconds(1.9))
    assert agenda.come(seconds(60))
    assert not agenda.come(seconds(60))


def test_the_wait_ends_with_the_next_time_or_after_the_most():
    agenda = Agenda()
    assert agenda.seconds(NOW, 0.25) == 0.25
    agenda.add(seconds(0.1))
    assert 0.099 < agenda.seconds(NOW, 0.25) < 0.111
    assert agenda.seconds(seconds(3), 0.25) == 0


def test_any_number_of_times_takes_no_more_than_their_hundredths_of_a_second():
    agenda = Agenda()
    for number in range(100_000):
        agenda.add(NOW + timedelta(microseconds=number * 10))
    assert len(agenda) <= 101


@given(st.lists(st.floats(0, 100), min_size=1))
def test_no_time_comes_early(times):
    agenda = Agenda()
    for each in times:
        agenda.add(seconds(each))
    assert not agenda.come(seconds(min(times)) - timedelta(milliseconds=1))
    assert agenda.come(seconds(min(times)) + timedelta(milliseconds=10, microseconds=1))
