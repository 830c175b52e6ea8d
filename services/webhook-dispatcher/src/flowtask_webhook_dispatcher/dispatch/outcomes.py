"""What an attempt came to: the answer or its absence as a result for the log, and as a number for the metrics."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from flowtask_contracts.commands.webhook_deliveries import Trigger
from flowtask_kit.ids import utc_now

from ..deliveries.models import Accepted, Failed, Gone, Outcome, outcome_of
from ..endpoints.policy import Policy
from ..health.tally import Tally
from ..transport import Answer, TransportError, retry_after
from . import metrics
from .work import Arrival, Attempted, Parcel, Result

_WITH_RETRY_AFTER = frozenset({429, 503})
_WISH = "webhook-delivery"
_WORDS = {Accepted: "delivered", Failed: "failed", Gone: "refused"}
_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx", "7xx", "8xx", "9xx")
_MANY = 10
_ASKED_FOR = frozenset({Trigger.MANUAL, Trigger.REPLAY})
NO_WAIT = timedelta(0)

Headers = Sequence[tuple[bytes, bytes]]


class Answered(NamedTuple):
    """To record: an attempt that was answered. It is put into words when it is written, with many others at once."""

    parcel: Parcel
    answer: Answer
    outcome: Outcome
    at: datetime
    sent: Headers
    trace_id: str | None
    arrival: Arrival | None = None

    def attempted(self) -> Attempted:
        """The attempt in words."""
        parcel, answer, outcome, at, sent, trace_id, arrival = self
        return Attempted(parcel, of_answered(answer, outcome, at, sent, trace_id), arrival)


def of_answer(answer: Answer, policy: Policy) -> Outcome:
    """What an answer means to a policy."""
    wish = wait = None
    for name, value in answer.headers:
        if len(name) == len(_WISH) and name.lower() == _WISH:
            wish = value.strip().lower()
            break
    if answer.status in _WITH_RETRY_AFTER:
        wait = retry_after(answer.header("retry-after"), utc_now())
    return outcome_of(answer.status, policy.retry_on, wait=wait or NO_WAIT, wish=wish)


def of_answered(answer: Answer, outcome: Outcome, at: datetime, sent: Headers, trace_id: str | None) -> Result:
    """The result of an attempt that was answered."""
    status, headers, body, truncated, _, timings = answer
    return Result(
        outcome,
        at,
        round(timings.total * 1000),
        status,
        None,
        None,
        timings,
        trace_id,
        b"\n".join(map(b": ".join, sent)),
        "\n".join(map(": ".join, headers)).encode("latin-1", "replace"),
        _text(body) if body else None,
        truncated,
    )


def of_failure(error: TransportError, at: datetime, sent: Headers, trace_id: str | None) -> Result:
    """The result of an attempt that was not answered."""
    timings = error.timings
    return Result(
        Gone() if error.kind.final else Failed(),
        at,
        0 if timings is None else round(timings.total * 1000),
        error=error.message,
        error_code=str(error.kind),
        trace_id=trace_id,
        request_headers=b"\n".join(map(b": ".join, sent)),
        timings=timings,
    )


def count(attempts: Sequence[Attempted], tally: Tally) -> None:
    """Add attempts that are about to be put on record to the metrics, and to the counts of their endpoints."""
    kinds: Counter[tuple[type[Outcome], int | None]] = Counter()
    took, until_first, until_delivered = [], [], []
    for parcel, result, _ in attempts:
        kind, milliseconds, retry = type(result.outcome), result.duration_ms, parcel.attempts
        accepted = kind is Accepted
        kinds[kind, result.status_code] += 1
        took.append(milliseconds / 1000)
        tally.note(parcel.receiver.id, result.at, milliseconds, delivered=accepted)
        if result.error_code is not None:
            metrics.NO_ANSWERS.labels(result.error_code).inc()
        if parcel.trigger in _ASKED_FOR:
            continue  # however old it is, and whichever try: it was asked for now
        if retry:
            metrics.RETRIES.labels(str(retry) if retry < _MANY else f"{_MANY}+").inc()
        if (retry and not accepted) or (happened := parcel.event.time) is None:
            continue
        age = (result.at - happened).total_seconds()
        if not retry:
            until_first.append(age)
        if accepted:
            until_delivered.append(age + milliseconds / 1000)
    for (kind, status), number in kinds.items():
        metrics.ATTEMPTS.inc((_WORDS[kind], _CLASSES[(status or 0) // 100]), number)
    metrics.ATTEMPT_SECONDS.observe(took)
    metrics.FIRST_ATTEMPT_SECONDS.observe([max(0.0, age) for age in until_first])
    metrics.END_TO_END_SECONDS.observe([max(0.0, age) for age in until_delivered])


def _text(body: bytes) -> str:
    """What was kept of a receiver's answer as text that PostgreSQL can hold."""
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")
