"""Which secrets of an endpoint sign, and what becomes of them."""

from datetime import UTC, datetime, timedelta

import pytest

from flowtask_contracts.commands.webhook_secrets import NoPreviousSecret, OverlapUnderWay
from flowtask_webhook_dispatcher.endpoints.models import Endpoint

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT_ONCE = timedelta(0)


@pytest.fixture
def endpoint():
    return Endpoint(secret=b"one", next_secret=None, next_alone_at=None)


def secrets_of(endpoint):
    return endpoint.secret, endpoint.next_secret, endpoint.next_alone_at


def test_an_endpoint_has_one_secret_until_it_is_changed(endpoint):
    assert endpoint.newest_secret == b"one"
    assert endpoint.previous_secret_until(NOW) is None
    with pytest.raises(NoPreviousSecret):
        endpoint.end_overlap(NOW)


def test_a_new_secret_signs_beside_the_old_one_for_the_overlap(endpoint):
    endpoint.rotate_secret(b"two", HOUR, NOW)
    assert secrets_of(endpoint) == (b"one", b"two", NOW + HOUR)
    assert endpoint.newest_secret == b"two"
    assert endpoint.previous_secret_until(NOW + HOUR - timedelta(microseconds=1)) == NOW + HOUR
    assert endpoint.previous_secret_until(NOW + HOUR) is None


def test_without_an_overlap_it_takes_the_place_of_all_others(endpoint):
    endpoint.rotate_secret(b"two", HOUR, NOW)
    endpoint.rotate_secret(b"three", AT_ONCE, NOW)
    assert secrets_of(endpoint) == (b"three", None, None)


def test_a_third_secret_is_refused_as_long_as_two_sign_and_taken_afterwards(endpoint):
    endpoint.rotate_secret(b"two", HOUR, NOW)
    with pytest.raises(OverlapUnderWay, match=r"DELETE .*/secret/previous.* overlapSeconds 0"):
        endpoint.rotate_secret(b"three", HOUR, NOW + HOUR / 2)
    assert secrets_of(endpoint) == (b"one", b"two", NOW + HOUR)
    endpoint.rotate_secret(b"three", HOUR, NOW + HOUR)
    assert secrets_of(endpoint) == (b"two", b"three", NOW + 2 * HOUR)


def test_an_overlap_can_be_ended_early_once(endpoint):
    endpoint.rotate_secret(b"two", HOUR, NOW)
    endpoint.end_overlap(NOW)
    assert secrets_of(endpoint) == (b"two", None, None)
    with pytest.raises(NoPreviousSecret):
        endpoint.end_overlap(NOW)
    endpoint.rotate_secret(b"three", HOUR, NOW)
    with pytest.raises(NoPreviousSecret):
        endpoint.end_overlap(NOW + HOUR)


def test_wiping_leaves_no_secret(endpoint):
    endpoint.rotate_secret(b"two", HOUR, NOW)
    endpoint.wipe_secrets()
    assert secrets_of(endpoint) == (None, None, None)
