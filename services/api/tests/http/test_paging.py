import contextlib
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_api.http.paging import Place
from flowtask_contracts.errors import ValidationFailed


@given(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.booleans())
def test_a_cursor_comes_back_as_the_place_it_was_made_of(moment, row_id, descending):
    place = Place(moment, row_id, descending)

    assert Place.decoded(place.encoded(), descending=descending) == place


@given(st.text(alphabet="ABCxyz019_-", max_size=64), st.booleans())
def test_what_is_no_cursor_is_refused_or_read_but_never_breaks(text, descending):
    with contextlib.suppress(ValidationFailed):
        Place.decoded(text, descending=descending)


def test_a_cursor_of_the_other_direction_is_refused():
    cursor = Place(datetime(2026, 1, 1, tzinfo=UTC), uuid4(), descending=True).encoded()

    with pytest.raises(ValidationFailed):
        Place.decoded(cursor, descending=False)
