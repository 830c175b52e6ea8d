from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flowtask_contracts.commands.webhooks import Circuit, RetryPolicy
from flowtask_webhook_dispatcher.deliveries.models import Accepted, Delivered, DueAgain, Failed, GivenUp, Gone, settle
from flowtask_webhook_dispatcher.endpoints.breaker import CLOSED, Breaker, Rules
from flowtask_webhook_dispatcher.endpoints.policy import SCHEDULES

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RULES = Rules()


def after(number, outcome=Failed(), breaker=CLOSED, now=NOW):  # noqa: B008 - it is frozen
    for _ in range(number):
        breaker = breaker.after(outcome, now)
    return breaker


def test_five_failures_in_a_row_open_it_for_ten_seconds():
    assert after(4).circuit(NOW) == Circuit.CLOSED
    opened = after(5)
    assert opened.circuit(NOW) == Circuit.OPEN
    assert opened.circuit(NOW + 9.9 * SECOND) == Circuit.OPEN
    assert opened.circuit(NOW + 10 * SECOND) == Circuit.HALF_OPEN


@pytest.mark.parametrize("answer", [Accepted(), Gone()])
def test_an_answer_closes_it_whenever_it_comes(answer):
    for before in (after(4), after(5), after(9)):
        for wait in (0, 10, 1000):
            assert before.after(answer, NOW + wait * SECOND) == CLOSED


def test_each_hold_is_twice_as_long_up_to_five_minutes():
    breaker, now, holds = after(5), NOW, []
    for _ in range(8):
        holds.append((breaker.open_until - now).total_seconds())
        now = breaker.open_until
        breaker = breaker.after(Failed(), now)
    assert holds == [10, 20, 40, 80, 160, 300, 300, 300]
    assert breaker.opened_at == NOW


def test_failures_that_were_under_way_when_it_opened_make_nothing_longer():
    assert after(11).open_until == after(5).open_until


def test_retry_after_holds_it_at_once_and_is_no_failure_of_ours_to_count():
    breaker = CLOSED.after(Failed(30 * SECOND), NOW)
    assert (breaker.circuit(NOW), breaker.opens, breaker.open_until) == (Circuit.OPEN, 0, NOW + 30 * SECOND)
    shorter = breaker.after(Failed(SECOND), NOW)
    assert shorter.open_until == breaker.open_until


class Endpoint(RuleBasedStateMachine):
    """An endpoint, its circuit and one delivery on its way there, told of in any order."""

    def __init__(self):
        super().__init__()
        self.now = NOW
        self.breaker = CLOSED
        self.in_a_row = 0
        self.attempts = 0
        self.schedule = tuple(timedelta(seconds=each) for each in SCHEDULES[RetryPolicy.STANDARD])
        self.next = DueAgain(NOW)

    @rule(seconds=st.floats(0, 400))
    def time_passes(self, seconds):
        self.now += seconds * SECOND

    @precondition(lambda self: self.breaker.circuit(self.now) is not Circuit.OPEN)
    @rule(outcome=st.sampled_from([Accepted(), Gone(), Failed(), Failed(3 * SECOND), Failed(timedelta(hours=1))]))
    def an_attempt_is_made(self, outcome):
        before, state = self.breaker, self.breaker.circuit(self.now)
        self.breaker = before.after(outcome, self.now, RULES)
        self.in_a_row = self.in_a_row + 1 if isinstance(outcome, Failed) else 0
        held = self.breaker.circuit(self.now) is Circuit.OPEN
        if not isinstance(outcome, Failed):
            assert self.breaker == CLOSED
        else:
            assert held == (state is Circuit.HALF_OPEN or bool(outcome.wait) or self.in_a_row >= RULES.failures)
            if held:
                assert self.breaker.open_until - self.now >= outcome.wait
                assert self.breaker.open_until - self.now <= max(RULES.longest, outcome.wait)
        if isinstance(self.next, DueAgain) and self.next.at <= self.now:
            self.attempts += 1
            self.next = settle(self.attempts, outcome, self.schedule, self.now)

    @precondition(lambda self: self.breaker.circuit(self.now) is Circuit.OPEN)
    @rule(outcome=st.sampled_from([Failed(), Failed(3 * SECOND)]))
    def one_that_was_under_way_fails(self, outcome):
        before = self.breaker
        self.breaker = before.after(outcome, self.now, RULES)
        self.in_a_row += 1
        assert self.breaker.opens == before.opens
        assert self.breaker.open_until == max(before.open_until, self.now + outcome.wait)

    @invariant()
    def no_hold_is_for_ever_and_counts_are_true(self):
        assert self.breaker.failures == self.in_a_row
        if self.breaker.open_until is not None:
            assert self.breaker.opened_at <= self.now
            assert self.breaker.open_until - self.now <= timedelta(hours=1)

    @invariant()
    def a_delivery_is_tried_as_often_as_its_schedule_says_and_no_more(self):
        assert self.attempts <= len(self.schedule) + 1
        match self.next:
            case DueAgain(at):
                assert self.attempts <= len(self.schedule)
                assert at - self.now <= timedelta(hours=1)
            case GivenUp(exhausted=True):
                assert self.attempts == len(self.schedule) + 1
            case Delivered() | GivenUp():
                assert self.attempts >= 1


TestEndpoint = Endpoint.TestCase


@given(st.lists(st.sampled_from([Accepted(), Gone(), Failed(), Failed(SECOND)]), max_size=40))
def test_what_it_comes_to_depends_on_nothing_but_what_came_since_the_last_answer(outcomes):
    whole = last = CLOSED
    for outcome in outcomes:
        whole = whole.after(outcome, NOW)
        last = CLOSED if not isinstance(outcome, Failed) else last.after(outcome, NOW)
    assert whole == last
    assert isinstance(whole, Breaker)
