import base64
import contextlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_api.sync.tokens import History, Token
from flowtask_contracts.errors import ValidationFailed

HERE = UUID(int=7)
KEY = bytes(64)
HISTORY = History(1, 1, 1)
NUMBERS = st.integers(0, (1 << 63) - 1)
BEGUN = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)


def token(begun=BEGUN, **changes):
    return Token(HERE, HISTORY, begun, **changes)


@given(st.integers(0, (1 << 64) - 1), *[st.integers(0, (1 << 32) - 1)] * 2, NUMBERS, st.uuids(), NUMBERS, NUMBERS)
def test_a_token_comes_back_as_it_was(system, timeline, table, at, after, resume, buried_from):
    history = History(system, timeline, table)
    given_out = Token(HERE, history, BEGUN, at, after, resume, BEGUN + DAY, buried_from)

    assert len(given_out.sealed(KEY)) <= 128
    assert Token.opened(given_out.sealed(KEY), HERE, KEY) == given_out


@given(st.one_of(st.text(max_size=128), st.binary(max_size=128).map(bytes.hex)))
def test_what_is_no_token_is_refused_and_never_breaks(text):
    with pytest.raises(ValidationFailed):
        Token.opened(text, HERE, KEY)


@given(st.integers(0, 92), st.integers(1, 255))
def test_a_token_that_was_changed_anywhere_is_refused(place, by):
    raw = bytearray(base64.urlsafe_b64decode(token().sealed(KEY) + "===="))
    assert len(raw) == 93
    raw[place] ^= by
    with pytest.raises(ValidationFailed):
        Token.opened(base64.urlsafe_b64encode(raw).decode().rstrip("="), HERE, KEY)


def test_tokens_show_nothing_of_what_is_in_them():
    """Not even whether two of them are the same place."""
    one, other = (token(at=1_234_567).sealed(KEY) for _ in range(2))
    assert one != other
    for text in (one, other):
        raw = base64.urlsafe_b64decode(text + "====")
        assert (1_234_567).to_bytes(4) not in raw
        assert HERE.bytes not in raw


def test_a_token_of_another_workspace_or_under_another_key_is_refused():
    for workspace_id, key in ((UUID(int=8), KEY), (HERE, bytes(63) + b"x")):
        with pytest.raises(ValidationFailed):
            Token.opened(token().sealed(KEY), workspace_id, key)


def test_a_token_from_before_they_were_sealed_is_known_and_counts_for_nothing():
    plain = base64.urlsafe_b64encode(b"\x01" + HERE.bytes + bytes(56)).decode().rstrip("=")
    assert Token.opened(plain, HERE, KEY) is None
    with pytest.raises(ValidationFailed):
        Token.opened(plain, UUID(int=8), KEY)
    with contextlib.suppress(ValidationFailed):
        assert Token.opened(plain[:-4], HERE, KEY) is not None


def test_a_round_that_saw_only_what_is_settled_goes_on_at_its_horizon():
    assert token().read_up_to(40, UUID(int=1), 50, BEGUN + DAY).next_round(60, BEGUN + DAY) == token(BEGUN + DAY, at=60)


def test_a_round_that_saw_more_goes_on_at_the_first_horizon_that_it_passed_and_at_its_moment():
    passed = token()
    for number, (at, horizon) in enumerate(((40, 50), (55, 52), (70, 65)), start=1):
        passed = passed.read_up_to(at, UUID(int=number), horizon, BEGUN + number * DAY)
    assert (passed.begun, passed.at, passed.after, passed.resume) == (BEGUN, 70, UUID(int=3), 52)
    assert passed.next_round(80, BEGUN + 9 * DAY) == token(BEGUN + 2 * DAY, at=52)


def test_a_token_counts_for_ninety_days_in_its_own_history():
    here = token(at=60)
    assert here.counts(HISTORY, 60, BEGUN + 90 * DAY - timedelta(seconds=1))
    assert not here.counts(HISTORY, 60, BEGUN + 90 * DAY)
    assert not here.counts(HISTORY, 59, BEGUN)
    for other in (History(2, 1, 1), History(1, 2, 1), History(1, 1, 2)):
        assert not here.counts(other, 60, BEGUN)


def test_a_place_beyond_every_number_counts_where_the_round_resumes_below():
    """Such are the places among rows that were restored from another server."""
    assert token(at=1_000_000, resume=60).counts(HISTORY, 60, BEGUN)
    assert not token(at=1_000_000, resume=61).counts(HISTORY, 60, BEGUN)
