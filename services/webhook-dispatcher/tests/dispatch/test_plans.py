from datetime import timedelta

import pytest

from flowtask_contracts.commands.webhook_deliveries import Trigger
from flowtask_contracts.commands.webhooks import Ordering
from flowtask_kit.ids import utc_now
from flowtask_webhook_dispatcher.deliveries.models import NEVER, Accepted, Delivered, DueAgain, Failed, GivenUp, Gone
from flowtask_webhook_dispatcher.dispatch.plans import Plan, after_claim
from flowtask_webhook_dispatcher.dispatch.work import Attempted, Place, Result
from flowtask_webhook_dispatcher.endpoints.policy import Policy

NOW = utc_now()
BLOCKS = Policy(waits=(timedelta(seconds=1),), ordering=Ordering.RESOURCE, blocks=True)
SKIPS = Policy(waits=(timedelta(seconds=1),), ordering=Ordering.RESOURCE)


@pytest.fixture
def after(make_parcel, make_receiver):
    """What follows when a row was tried so often before."""

    def follow(policy, outcome, attempts=1, *, trigger=Trigger.SCHEDULE, was=None, place=Place("a", None), **row):  # noqa: B008
        parcel = make_parcel(make_receiver(policy=policy), place=place, trigger=was or trigger)
        row = {"attempts": attempts, "trigger": trigger, "resume_at": None, "blocked_at": None, "order_key": "a", **row}
        return after_claim(Attempted(parcel, Result(outcome, NOW, 5)), row, NOW)

    return follow


def test_the_last_try_ends_a_delivery_that_is_to_be_skipped(after):
    assert after(SKIPS, Failed()) == (GivenUp(exhausted=True), None)
    assert after(SKIPS, Gone()) == (GivenUp(), None)


def test_the_last_try_leaves_a_row_that_blocks(after):
    assert after(BLOCKS, Failed()) == (GivenUp(exhausted=True), Plan(NEVER, 2, Trigger.SCHEDULE, None, NOW))
    assert after(BLOCKS, Gone(), 0) == (GivenUp(), Plan(NEVER, 1, Trigger.SCHEDULE, None, NOW))


def test_one_that_is_tried_again_does_not_block(after):
    following, plan = after(BLOCKS, Failed(), 0)
    assert isinstance(following, DueAgain)
    assert (plan.at, plan.attempts, plan.blocked_at) == (following.at, 1, None)


@pytest.mark.parametrize("outcome", [Gone(unwanted=True), Accepted()])
def test_what_the_receiver_has_or_does_not_want_blocks_nobody(after, outcome):
    assert after(BLOCKS, outcome)[1] is None


def test_what_goes_outside_of_the_order_blocks_nobody(after):
    assert after(BLOCKS, Gone(), place=None) == (GivenUp(), None)


def test_what_was_under_way_when_the_order_was_turned_off_blocks_nobody(after):
    assert after(BLOCKS, Failed(), order_key=None) == (GivenUp(exhausted=True), None)
    by_hand = {"trigger": Trigger.MANUAL, "resume_at": None, "blocked_at": NOW, "order_key": None}
    assert after(BLOCKS, Failed(), 4, **by_hand) == (GivenUp(), None)


def test_what_blocks_goes_on_to_do_so_after_a_retry_by_hand_that_fails(after):
    since = NOW - timedelta(hours=1)
    blocked = {"trigger": Trigger.MANUAL, "resume_at": NEVER, "blocked_at": since}
    assert after(BLOCKS, Failed(), 4, **blocked) == (GivenUp(), Plan(NEVER, 4, Trigger.SCHEDULE, None, since))
    assert after(BLOCKS, Accepted(), 4, **blocked) == (Delivered(), None)


def test_what_waits_goes_back_to_its_place_after_a_retry_by_hand_that_fails(after):
    following = after(SKIPS, Failed(), 0, trigger=Trigger.MANUAL, resume_at=NEVER)
    assert following == (DueAgain(NEVER), Plan(NEVER, 0, Trigger.SCHEDULE))


def test_a_retry_by_hand_that_was_asked_for_during_an_attempt_of_a_replay_is_still_made(after):
    row = {"trigger": Trigger.MANUAL, "resume_at": NEVER, "blocked_at": NOW}
    parcel_was_a_replay = after(BLOCKS, Failed(), 3, was=Trigger.REPLAY, **row)
    assert parcel_was_a_replay == (DueAgain(NOW), Plan(NOW, 3, Trigger.MANUAL, NEVER, NOW))
    assert after(BLOCKS, Accepted(), 3, was=Trigger.REPLAY, **row) == (Delivered(), None)


def test_a_retry_by_hand_that_was_asked_for_during_the_last_try_is_still_made(make_parcel, make_receiver):
    parcel = make_parcel(make_receiver(policy=BLOCKS), place=Place("a", None))
    row = {"attempts": 1, "trigger": Trigger.MANUAL, "resume_at": NOW, "blocked_at": None, "order_key": "a"}
    following, plan = after_claim(Attempted(parcel, Result(Failed(), NOW, 5)), row, NOW)
    assert (following, plan) == (DueAgain(NOW), Plan(NOW, 2, Trigger.MANUAL, NEVER, NOW))
