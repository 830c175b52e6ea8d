"""Whatever a receiver sends becomes a result that can be put on record, shown and understood."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from flowtask_contracts.commands.webhook_deliveries import Attempt as AttemptView
from flowtask_contracts.commands.webhook_deliveries import Trigger
from flowtask_contracts.commands.webhooks import DisabledReason, RetryOn
from flowtask_webhook_dispatcher.deliveries.models import Accepted, Failed, Gone, headers_of
from flowtask_webhook_dispatcher.dispatch import outcomes
from flowtask_webhook_dispatcher.dispatch.outcomes import Answered, count
from flowtask_webhook_dispatcher.dispatch.payload import PublicEvent
from flowtask_webhook_dispatcher.endpoints.policy import STANDARD, Policy
from flowtask_webhook_dispatcher.health.tally import Tally
from flowtask_webhook_dispatcher.transport import Answer, Failure, Timings, TransportError
from flowtask_webhook_dispatcher.transport.responses import MAX_HEAD, ResponseReader

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
ANY = Policy(retry_on=RetryOn.ANY)
TIMINGS = Timings(None, 0.001, None, 0.002, 0.003)
SENT = [(b"webhook-id", b"1"), (b"Content-Type", b"application/json")]

NAMES = st.sampled_from(
    [b"Retry-After", b"retry-after", b"Webhook-Delivery", b"webhook-delivery", b"X", b"Content-Type"]
)
VALUES = st.sampled_from(
    [b"disable", b" Disable ", b"abort-message", b"abort-message, disable", b"", b"5", b"-1", b"99999999999", b"\xff\x01", b": : ",
     b"Sun, 22 Nov 2026 12:00:30 GMT", b"Sun, 32 Nov 2026 12:00:30 GMT", b"\xe2\x80\xa8", b"a\tb", b"x" * 3000]
) | st.binary(max_size=20)  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=12)
BODIES = st.binary(max_size=80) | st.sampled_from(
    [b"\0" * 40, b"\xed\xa0\x80", b"\xff\xfe\0\0", "\U0001f980".encode()[:3], b"{}"]
)


def said(status, headers, body):
    """The answer that is read from these bytes, or None where they are none."""
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    reader = ResponseReader(64)
    reader.feed(b"HTTP/1.1 %d Said\r\n%bContent-Length: %d\r\n\r\n%b" % (status, head, len(body), body))
    if reader.fault is not None or not reader.head_done:
        return None
    text = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in reader.headers]
    return Answer(reader.status, text, reader.body, reader.truncated, "192.0.2.1", TIMINGS)


def kept_of(answer, policy, parcel):
    """What is put on record of an answer."""
    outcome = outcomes.of_answer(answer, policy)
    return Answered(parcel, answer, outcome, AT, SENT, "0" * 32, parcel.take_arrival()).attempted()


@given(st.integers(200, 999), HEADERS, BODIES, st.sampled_from([STANDARD, ANY]))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answer_is_a_result_that_can_be_kept_and_shown(make_parcel, status, headers, body, policy):
    answer = said(status, headers, body)
    if answer is None:
        return
    result = kept_of(answer, policy, make_parcel()).result
    assert isinstance(result.outcome, Accepted | Failed | Gone)
    assert isinstance(result.outcome, Accepted) == (200 <= status < 300)
    if isinstance(result.outcome, Failed):
        assert timedelta(0) <= result.outcome.wait <= timedelta(hours=1)
        assert not result.outcome.wait or status in {429, 503}
    assert "\0" not in (result.response_body or "")
    (result.response_body or "").encode()
    kept = headers_of(result.response_headers)
    assert [(header.name, header.value) for header in kept] == list(answer.headers)
    assert sum(len(header.name) + len(header.value) for header in kept) <= MAX_HEAD
    AttemptView(
        number=1,
        trigger="schedule",
        at=AT,
        duration_ms=result.duration_ms,
        status_code=result.status_code,
        response_headers=kept,
        response_body=result.response_body,
    ).model_dump_json(by_alias=True)


@pytest.mark.parametrize(
    ("status", "wish", "outcome"),
    [
        (500, b"abort-message", Gone(unwanted=True)),
        (503, b"\tABORT-MESSAGE ", Gone(unwanted=True)),
        (200, b"abort-message", Accepted()),
        (200, b"disable", Accepted(DisabledReason.RECEIVER)),
        (500, b"disable", Gone(DisabledReason.RECEIVER)),
        (404, b"disable", Gone(DisabledReason.RECEIVER)),
        (410, b"", Gone(DisabledReason.GONE)),
        (500, b"please", Failed()),
        (500, b"abort-message, disable", Failed()),
    ],
)
def test_what_a_receiver_wishes_by_header(status, wish, outcome):
    answer = said(status, [(b"Webhook-Delivery", wish)], b"")
    assert outcomes.of_answer(answer, STANDARD) == outcome


@pytest.mark.parametrize(
    ("status", "waits"), [(429, True), (503, True), (500, False), (502, False), (408, False), (425, False)]
)
def test_only_429_and_503_may_ask_for_a_longer_wait(status, waits):
    answer = said(status, [(b"Retry-After", b"30")], b"")
    expected = Failed(timedelta(seconds=30) if waits else timedelta(0))
    assert outcomes.of_answer(answer, STANDARD) == expected


@pytest.mark.parametrize("kind", [each for each in Failure if not each.ours])
def test_what_was_not_answered_is_told_in_words_and_as_a_code(kind):
    result = outcomes.of_failure(TransportError(kind), AT, SENT, None)
    assert result.outcome == (Gone() if kind.final else Failed())
    assert (result.status_code, result.error_code) == (None, kind.value)
    assert result.error.endswith(".")
    assert " " in result.error


async def test_the_strangest_answers_are_put_on_record_and_read_again(write, rows_of, make_parcel):
    strange = [
        (200, [], b"\0" * 40),
        (299, [(b"X", b"\xff\x85\xa0")], b"\xed\xa0\x80"),
        (503, [(b"Retry-After", b"9" * 30), (b"X", b"")], b"\xff\xfe\0\0"),
        (999, [(b"webhook-delivery", b"\xe2\x80\xa8")], "\U0001f980".encode()[:3]),
        (404, [(b"X", b": : "), (b"X", b"a\tb")] * 40, b"x" * 100),
    ]
    answers = [said(*each) for each in strange]
    entries = [kept_of(answer, STANDARD, make_parcel()) for answer in answers]
    await asyncio.wait_for(write(*entries), 30)
    kept = {row["endpoint_id"]: row for row in await rows_of("attempts")}
    for entry, answer in zip(entries, answers, strict=True):
        row = kept[entry.parcel.receiver.id]
        assert row["status_code"] == answer.status
        assert [(each.name, each.value) for each in headers_of(row["response_headers"])] == list(answer.headers)
        assert row["response_truncated"] == answer.truncated


@pytest.mark.parametrize("trigger", Trigger)
def test_how_late_deliveries_are_is_told_without_those_that_were_asked_for_again(
    make_parcel, cloud_event, attempted, trigger
):
    def told():
        return {
            name: REGISTRY.get_sample_value(f"flowtask_webhook_{name}", labels) or 0
            for name, labels in (
                ("end_to_end_seconds_count", {}),
                ("retries_total", {"number": "3"}),
                ("attempt_seconds_count", {}),
            )
        }

    parcel = make_parcel(event=PublicEvent.parse(cloud_event()), attempts=3, trigger=trigger)
    before = told()
    count([attempted(parcel)], Tally())
    counts = trigger in {Trigger.SCHEDULE, Trigger.RECOVERY}
    more = {"end_to_end_seconds_count": counts, "retries_total": counts, "attempt_seconds_count": True}
    assert told() == {name: before[name] + added for name, added in more.items()}
