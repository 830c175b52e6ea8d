import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from flowtask_kit.ids import new_id
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id, events_of_the_millisecond, first_id_of

uuids = st.uuids()


@given(uuids, uuids)
def test_a_delivery_id_is_a_uuid_of_version_7(event, endpoint):
    made = delivery_id(event, endpoint)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


@given(uuids, uuids)
def test_a_delivery_id_is_always_the_same_and_made_in_the_events_millisecond(event, endpoint):
    made = delivery_id(event, endpoint)
    assert made == delivery_id(UUID(str(event)), UUID(str(endpoint)))
    assert made.int >> 80 == event.int >> 80
    first, last = events_of_the_millisecond(made)
    assert first <= event <= last


def test_a_delivery_id_is_the_events_time_and_the_digest_of_both_ids():
    event = UUID("01a20382-92d5-7a1d-9cf9-492cb0cad79b")
    made = delivery_id(event, UUID(int=1))
    bits = f"{int.from_bytes(hashlib.sha256(event.bytes + UUID(int=1).bytes).digest()[:10]):080b}"
    assert f"{made.int:0128b}" == f"{0x01A2038292D5:048b}" + "0111" + bits[:12] + "10" + bits[-62:]
    assert str(made) == "01a20382-92d5-7249-9ff1-6f18cf45d7ad"


def test_events_and_endpoints_do_not_share_delivery_ids_and_their_bits_are_spread():
    events, endpoints = [new_id() for _ in range(100)], [uuid4() for _ in range(100)]
    made = {delivery_id(event, endpoint) for event in events for endpoint in endpoints}
    assert len(made) == 10_000
    counts = Counter(each.int & 0xF for each in made) + Counter((each.int >> 64 & 0xF) + 16 for each in made)
    assert len(counts) == 32
    assert max(counts.values()) < 800


def test_the_first_id_of_a_moment_sorts_between_the_events_around_it():
    moment = datetime(2026, 11, 22, 10, 0, 0, 1000, tzinfo=UTC)
    before, after = first_id_of(moment - timedelta(milliseconds=1)), first_id_of(moment)
    assert UUID(int=before.int | (1 << 80) - 1) < after
    assert after.int >> 80 == 1_795_341_600_001


def test_moments_before_there_were_events_have_the_smallest_id():
    assert first_id_of(datetime(1, 1, 1, tzinfo=UTC)) == UUID(int=0)
    assert first_id_of(datetime(9999, 12, 31, tzinfo=UTC)).int >> 80 < 1 << 48
