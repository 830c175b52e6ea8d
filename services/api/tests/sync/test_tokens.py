import contextlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_api.sync.tokens import Cluster, Token
from flowtask_contracts.errors import ValidationFailed

HERE = UUID(int=7)
NUMBERS = st.integers(0, (1 << 63) - 1)
BEGUN = datetime(2026, 11, 22, tzinfo=UTC)


def token(**changes):
    return Token(HERE, Cluster(1, 1), BEGUN, **changes)


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 32) - 1), NUMBERS, st.uuids(), NUMBERS, NUMBERS)
def test_a_token_comes_back_as_it_was(system, timeline, at, after, resume, buried_from):
    given_out = Token(HERE, Cluster(system, timeline), BEGUN, at, after, resume, buried_from)

    assert len(given_out.encoded()) <= 128
    assert Token.decoded(given_out.encoded(), HERE) == given_out


@given(st.one_of(st.text(max_size=128), st.binary(max_size=128).map(bytes.hex)))
def test_what_is_no_token_is_refused_or_read_but_never_breaks(text):
    with contextlib.suppress(ValidationFailed):
        Token.decoded(text, HERE)


def test_a_token_of_another_workspace_is_refused():
    with pytest.raises(ValidationFailed):
        Token.decoded(token().encoded(), UUID(int=8))


def test_a_round_that_saw_only_what_is_settled_goes_on_at_its_horizon():
    assert token().read_up_to(40, UUID(int=1), 50).next_round(60) == token(at=60)


def test_a_round_that_saw_more_goes_on_at_the_first_horizon_that_it_passed():
    passed = token().read_up_to(40, UUID(int=1), 50).read_up_to(55, UUID(int=2), 52).read_up_to(70, UUID(int=3), 65)
    assert (passed.at, passed.after, passed.resume) == (70, UUID(int=3), 52)
    assert passed.next_round(80) == token(at=52)
