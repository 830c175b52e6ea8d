"""The form that an event has at an endpoint, and headers as they are kept."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from flowtask_contracts.errors import Conflict, ValidationFailed
from flowtask_contracts.webhook_content import MASK, PayloadForm
from flowtask_webhook_dispatcher.deliveries.identity import first_id_of
from flowtask_webhook_dispatcher.endpoints.content import FULL, MOST_CHANGES, SETTLING, Forms, opened, sealed
from flowtask_webhook_dispatcher.keyring import CannotDecrypt, KeyRing

RING = KeyRing.parse("test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ENDPOINT = UUID(int=5)


def event_at(seconds):
    return first_id_of(NOW + timedelta(seconds=seconds))


def test_a_form_that_was_never_changed_holds_for_all_events():
    assert not FULL.thin(event_at(0))
    assert Forms.of("full", []) is FULL
    assert Forms.of("thin", []).thin(event_at(-1e6))


def test_a_change_holds_from_a_little_later_on_and_never_for_what_came_before():
    changed = FULL.changed(PayloadForm.THIN, NOW)
    assert [changed.thin(event_at(at)) for at in (-1e6, 0, 9.999, 10, 1e6)] == [False, False, False, True, True]
    again = changed.changed(PayloadForm.FULL, NOW + timedelta(seconds=3))
    assert [again.thin(event_at(at)) for at in (0, 9, 10, 12.999, 13)] == [False, False, True, True, False]
    assert timedelta(seconds=10) == SETTLING


def test_what_every_earlier_event_had_it_keeps_through_any_change():
    forms, seen = FULL, {}
    for number in range(MOST_CHANGES):
        now = NOW + timedelta(seconds=7 * number)
        forms = forms.changed(PayloadForm.THIN if number % 2 == 0 else PayloadForm.FULL, now)
        assert Forms.of(forms.now, [[until, str(form)] for until, form in forms.before]) == forms
        events = [event_at(7 * number + at) for at in range(-20, 10)]
        for event in events:
            assert forms.thin(event) is seen.setdefault(event, forms.thin(event))
    with pytest.raises(Conflict):
        forms.changed(PayloadForm.THIN, NOW)
    assert forms.changed(forms.now, NOW) is forms


def test_clocks_that_go_back_take_no_form_from_an_event_that_had_it():
    ahead = FULL.changed(PayloadForm.THIN, NOW + timedelta(seconds=5))
    back = ahead.changed(PayloadForm.FULL, NOW)
    assert [until for until, _ in back.before] == sorted(until for until, _ in back.before)
    for at in range(-5, 15):
        assert back.thin(event_at(at)) is ahead.thin(event_at(at)) is False
    assert not back.thin(event_at(16))


def headers(**named):
    return {name.replace("_", "-"): SecretStr(value) for name, value in named.items()}


def test_headers_are_read_as_they_were_given_and_for_this_endpoint_only():
    stored, names = sealed(RING, ENDPOINT, headers(Authorization="Bearer abc", X_A="1"), None)
    assert names == ["Authorization", "X-A"]
    assert b"Bearer" not in stored
    kept = opened(RING, ENDPOINT, stored)
    assert kept.sent == ((b"Authorization", b"Bearer abc"), (b"X-A", b"1"))
    assert kept.shown == ((b"Authorization", MASK.encode()), (b"X-A", MASK.encode()))
    assert "abc" not in repr(kept)
    with pytest.raises(CannotDecrypt):
        opened(RING, uuid4(), stored)
    with pytest.raises(CannotDecrypt):
        RING.decrypt(ENDPOINT, stored)  # nor can they stand in the place of a secret
    assert opened(RING, ENDPOINT, None) is None
    assert sealed(RING, ENDPOINT, {}, stored) == (None, [])


def test_the_mask_keeps_a_value_whatever_the_case_of_its_name():
    stored, _ = sealed(RING, ENDPOINT, headers(Authorization="Bearer abc", X_A="1"), None)
    changed, names = sealed(RING, ENDPOINT, headers(authorization=MASK, X_B="2"), stored)
    assert names == ["authorization", "X-B"]
    assert opened(RING, ENDPOINT, changed).sent == ((b"authorization", b"Bearer abc"), (b"X-B", b"2"))
    for before in (None, stored):
        with pytest.raises(ValidationFailed) as refusal:
            sealed(RING, ENDPOINT, headers(X_C=MASK), before)
        assert [detail.field for detail in refusal.value.details] == ["headers.X-C"]


def test_values_that_are_kept_count_as_long_as_they_are():
    stored, _ = sealed(RING, ENDPOINT, headers(X_A="a" * 2000, X_B="b" * 2000), None)
    with pytest.raises(ValidationFailed) as refusal:
        sealed(RING, ENDPOINT, headers(X_A=MASK, X_B=MASK, X_C="c" * 200), stored)
    assert [detail.field for detail in refusal.value.details] == ["headers"]
    kept, _ = sealed(RING, ENDPOINT, headers(X_A=MASK, X_B=MASK, X_C="c"), stored)
    assert len(opened(RING, ENDPOINT, kept).sent) == 3
