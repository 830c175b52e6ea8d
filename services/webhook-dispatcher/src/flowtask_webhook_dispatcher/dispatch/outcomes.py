"""What an attempt came to: the answer or its absence as a result for the log, and as a number for the metrics."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from prometheus_client import Counter

from flowtask_kit.ids import utc_now

from ..deliveries.models import Accepted, Failed, Gone, Outcome, outcome_of
from ..endpoints.policy import Policy
from ..transport import Answer, TransportError, retry_after
from . import metrics
from .work import Parcel, Result

_WITH_RETRY_AFTER = frozenset({429, 503})
_WORDS = {Accepted: "delivered", Failed: "failed", Gone: "refused"}
_MANY = 10

Headers = Sequence[tuple[bytes, bytes]]


def of_answer(answer: Answer, policy: Policy, at: datetime, sent: Headers, trace_id: str | None) -> Result:
    """The result of an attempt that was answered."""
    return Result(
        _outcome(answer, policy),
        at,
        round(answer.timings.total * 1000),
        status_code=answer.status,
        timings=answer.timings,
        trace_id=trace_id,
        request_headers=b"\n".join([name + b": " + value for name, value in sent]),
        response_headers="\n".join([f"{name}: {value}" for name, value in answer.headers]).encode("latin-1"),
        response_body=_text(answer.body) if answer.body else None,
        response_truncated=answer.truncated,
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
        request_headers=b"\n".join([name + b": " + value for name, value in sent]),
        timings=timings,
    )


def count(parcel: Parcel, result: Result) -> None:
    """Add an attempt to the metrics."""
    status = "none" if result.status_code is None else f"{result.status_code // 100}xx"
    _attempts(_WORDS[type(result.outcome)], status).inc()
    if result.error_code is not None:
        metrics.NO_ANSWERS.labels(result.error_code).inc()
    metrics.ATTEMPT_SECONDS.observe(result.duration_ms / 1000)
    happened = parcel.event.time
    if parcel.attempts:
        metrics.RETRIES.labels(str(parcel.attempts) if parcel.attempts < _MANY else f"{_MANY}+").inc()
    elif happened is not None:
        metrics.FIRST_ATTEMPT_SECONDS.observe(max(0.0, (result.at - happened).total_seconds()))
    if happened is not None and isinstance(result.outcome, Accepted):
        took = (result.at - happened).total_seconds() + result.duration_ms / 1000
        metrics.END_TO_END_SECONDS.observe(max(0.0, took))


def _outcome(answer: Answer, policy: Policy) -> Outcome:
    wait, wish = None, answer.header("webhook-delivery") if answer.headers else None
    if answer.status in _WITH_RETRY_AFTER:
        wait = retry_after(answer.header("retry-after"), utc_now())
    return outcome_of(answer.status, policy.retry_on, wait=wait or timedelta(0), wish=wish and wish.strip().lower())


def _text(body: bytes) -> str:
    """What was kept of a receiver's answer as text that PostgreSQL can hold."""
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")


_children: dict[tuple[str, str], Counter] = {}


def _attempts(outcome: str, status: str) -> Counter:
    """The counter of these labels, kept: finding it anew costs more than counting."""
    key = outcome, status
    child = _children.get(key)
    if child is None:
        child = _children[key] = metrics.ATTEMPTS.labels(outcome, status)
    return child
