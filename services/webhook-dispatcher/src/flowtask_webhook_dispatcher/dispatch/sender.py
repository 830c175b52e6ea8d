"""One attempt: sign, post, and put on record what came back."""

import time
from collections.abc import Mapping
from datetime import timedelta

from opentelemetry.trace import SpanKind

from flowtask_kit import logs, traces
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.ids import utc_now

from ..deliveries.models import Accepted, Failed, Gone, Outcome, outcome_of
from ..endpoints.directory import Directory, Receiver
from ..endpoints.policy import Policy
from ..signing import signed_headers
from ..transport import Answer, Failure, HookClient, TransportError, retry_after
from . import metrics
from .guard import Guard
from .recorder import Recorder
from .work import Attempted, Cancelled, Deferred, Disabled, Entry, Parcel, Released, Result, Stage

log = logs.get(__name__)

OURS_TO_MEND = timedelta(seconds=5)
"""Wait before an attempt that we could not make; it uses up no try."""

_WITH_RETRY_AFTER = frozenset({429, 503})
_FINAL = frozenset({Failure.INVALID_URL, Failure.BLOCKED})
_BODY_KEPT = 4096


class Sender:
    """Makes attempts. `timeout` is the deadline of a whole attempt, in seconds."""

    def __init__(
        self, client: HookClient, directory: Directory, guard: Guard, recorder: Recorder, *, timeout: float
    ) -> None:
        self._client = client
        self._directory = directory
        self._guard = guard
        self._recorder = recorder
        self._timeout = timeout
        self._tracer = traces.tracer()  # kept: making one costs more than a span

    async def send(self, parcel: Parcel) -> None:
        """Attempt a parcel and put the result on record; nothing is posted while the database cannot be reached."""
        await self._recorder.healthy.wait()
        if parcel.stage is not Stage.WAITING:
            return
        parcel.stage = Stage.SENDING
        try:
            entry = await self._entry(parcel)
        except Exception:
            log.exception("attempt failed by our own fault", event_id=str(parcel.event.id))
            entry = postponed(parcel, OURS_TO_MEND)
        finally:
            self._guard.ended(parcel)
        self._recorder.put(entry)

    async def _entry(self, parcel: Parcel) -> Entry:
        receiver = self._directory.get(parcel.receiver.id)
        if receiver is None:
            return Cancelled(parcel, parcel.take_arrival())
        if not receiver.active or receiver.key is None:
            return postponed(parcel, OURS_TO_MEND)
        if not self._guard.admits(parcel, receiver, utc_now()):
            return postponed(parcel)
        if parcel.claim_until is not None and parcel.claim_until < utc_now() + timedelta(seconds=self._timeout):
            return Released(parcel, utc_now())  # it waited here for so long that its claim may end before the answer
        context = traces.extract(_carried(parcel))
        with self._tracer.start_as_current_span("webhook attempt", context=context, kind=SpanKind.CLIENT):
            entry = await self._attempt(parcel, receiver)
        crashpoint("dispatcher.after-post")
        return entry

    async def _attempt(self, parcel: Parcel, receiver: Receiver) -> Entry:
        body = parcel.event.body(parcel.delivery_id)
        at, begun = utc_now(), time.perf_counter()
        if parcel.attempts == 0 and parcel.event.time is not None:
            metrics.FIRST_ATTEMPT_SECONDS.observe(max(0.0, (at - parcel.event.time).total_seconds()))
        try:
            answer = await self._post(parcel, receiver, body, int(at.timestamp()))
        except TransportError as error:
            if error.kind is Failure.LOCAL:
                log.warning("attempt could not be made", error=str(error))
                return postponed(parcel, OURS_TO_MEND)
            outcome = Gone() if error.kind in _FINAL else Failed()
            result = Result(outcome, at, _milliseconds(begun), error=f"{error.kind}: {error.message}")
            metrics.ATTEMPTS.labels(str(error.kind)).inc()
        else:
            result = Result(
                _outcome(answer, receiver.policy),
                at,
                _milliseconds(begun),
                status_code=answer.status,
                response_body=_text(answer.body),
            )
            metrics.ATTEMPTS.labels(f"{answer.status // 100}xx").inc()
        metrics.ATTEMPT_SECONDS.observe(result.duration_ms / 1000)
        if not isinstance(result.outcome, Accepted):
            log.info(
                "attempt failed",
                delivery_id=str(parcel.delivery_id),
                endpoint_id=str(receiver.id),
                status=result.status_code,
                error=result.error,
                duration_ms=result.duration_ms,
            )
        self._learn(receiver, result)
        return Attempted(parcel, result, parcel.take_arrival())

    def _learn(self, receiver: Receiver, result: Result) -> None:
        """Have the next attempts at this endpoint made as this one's answer suggests."""
        outcome, now = result.outcome, utc_now()
        self._guard.note(receiver, outcome, now)
        if not isinstance(outcome, Failed) and outcome.disables is not None:
            log.info("receiver ended the webhook", endpoint_id=str(receiver.id), reason=str(outcome.disables))
            self._recorder.put(Disabled(receiver.id, receiver.url, outcome.disables, now))

    async def _post(self, parcel: Parcel, receiver: Receiver, body: bytes, timestamp: int) -> Answer:
        if receiver.target is None:
            raise TransportError(Failure.INVALID_URL, "this URL is not allowed")
        assert receiver.key is not None
        headers = signed_headers(
            receiver.key,
            event=parcel.event.type,
            event_id=parcel.event.id,
            delivery_id=parcel.delivery_id,
            timestamp=timestamp,
            body=body,
        )
        return await self._client.post(receiver.target, headers, body, timeout=self._timeout)


def postponed(parcel: Parcel, wait: timedelta = timedelta(0)) -> Entry:
    """The entry that leaves a parcel for later without an attempt: a due row, or its claim given back."""
    later = utc_now() + wait
    if parcel.claim_no:
        return Released(parcel, later)
    return Deferred(parcel, later, backlog=not wait, arrival=parcel.take_arrival())


def _outcome(answer: Answer, policy: Policy) -> Outcome:
    wait, wish = None, answer.header("webhook-delivery")
    if answer.status in _WITH_RETRY_AFTER:
        wait = retry_after(answer.header("retry-after"), utc_now())
    return outcome_of(answer.status, policy.retry_on, wait=wait or timedelta(0), wish=wish and wish.strip().lower())


def _carried(parcel: Parcel) -> Mapping[str, str]:
    return parcel.arrival.traceparent if parcel.arrival is not None else {}


def _milliseconds(begun: float) -> int:
    return round((time.perf_counter() - begun) * 1000)


def _text(body: bytes) -> str | None:
    """The kept part of a receiver's answer as text that PostgreSQL can hold."""
    return body[:_BODY_KEPT].decode("utf-8", "replace").replace("\x00", "\ufffd") or None
