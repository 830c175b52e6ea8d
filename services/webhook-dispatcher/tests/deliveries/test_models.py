from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_contracts.commands.webhook_deliveries import DeliveryStatus
from flowtask_contracts.commands.webhooks import DisabledReason, RetryOn
from flowtask_webhook_dispatcher.deliveries.models import (
    Accepted,
    Delivered,
    DueAgain,
    Failed,
    GivenUp,
    Gone,
    outcome_of,
    settle,
    status_of,
)
from flowtask_webhook_dispatcher.endpoints.policy import STANDARD

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RETRYABLE = {408, 425, 429}


@pytest.mark.parametrize("status", range(200, 600))
def test_what_each_status_means(status):
    if status < 300:
        expected = Accepted()
    elif status >= 500 or status in RETRYABLE:
        expected = Failed()
    else:
        expected = Gone(DisabledReason.GONE if status == 410 else None)
    assert outcome_of(status) == expected


@pytest.mark.parametrize("status", range(200, 600))
def test_with_any_everything_but_2xx_and_410_is_tried_again(status):
    outcome = outcome_of(status, RetryOn.ANY)
    assert isinstance(outcome, Accepted if status < 300 else Gone if status == 410 else Failed)


@pytest.mark.parametrize(
    ("status", "wish", "expected"),
    [
        (200, "disable", Accepted(DisabledReason.RECEIVER)),
        (200, "abort-message", Accepted()),
        (500, "abort-message", Gone(unwanted=True)),
        (500, "disable", Gone(DisabledReason.RECEIVER)),
        (410, "disable", Gone(DisabledReason.RECEIVER)),
        (410, "abort-message", Gone(DisabledReason.GONE, unwanted=True)),
        (500, "nonsense", Failed()),
        (500, "", Failed()),
    ],
)
def test_what_a_receiver_may_wish(status, wish, expected):
    assert outcome_of(status, wish=wish) == expected


@pytest.mark.parametrize("status", [600, 999])
def test_statuses_that_no_standard_names_may_be_tried_again(status):
    assert outcome_of(status) == Failed()


@pytest.mark.parametrize(
    ("attempts", "outcome", "expected"),
    [
        (1, Accepted(), Delivered()),
        (4, Accepted(), Delivered()),
        (1, Failed(), DueAgain(NOW + timedelta(seconds=1))),
        (2, Failed(), DueAgain(NOW + timedelta(seconds=5))),
        (3, Failed(), DueAgain(NOW + timedelta(seconds=25))),
        (4, Failed(), GivenUp(exhausted=True)),
        (9, Failed(), GivenUp(exhausted=True)),
        (1, Failed(timedelta(minutes=1)), DueAgain(NOW + timedelta(minutes=1))),
        (3, Failed(timedelta(seconds=2)), DueAgain(NOW + timedelta(seconds=25))),
        (4, Failed(timedelta(seconds=2)), GivenUp(exhausted=True)),
        (1, Gone(), GivenUp()),
    ],
)
def test_what_follows_an_attempt(attempts, outcome, expected):
    assert settle(attempts, outcome, STANDARD.waits, NOW) == expected


@given(st.integers(1, 3), st.floats(0, 1))
def test_jitter_makes_a_wait_longer_by_a_tenth_at_most_and_never_shorter(attempts, jitter):
    planned = STANDARD.waits[attempts - 1]
    following = settle(attempts, Failed(), STANDARD.waits, NOW, jitter=jitter)
    assert isinstance(following, DueAgain)
    assert planned <= following.at - NOW <= planned * 1.1


@pytest.mark.parametrize(
    ("following", "status"),
    [
        (Delivered(), DeliveryStatus.DELIVERED),
        (DueAgain(NOW), DeliveryStatus.PENDING),
        (GivenUp(), DeliveryStatus.FAILED),
    ],
)
def test_the_status_of_a_delivery_after_that(following, status):
    assert status_of(following) == status
