"""One attempt: sign, post, and put on record what came back."""

from datetime import datetime, timedelta

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from flowtask_kit import logs, traces
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.ids import utc_now

from ..deliveries.models import Accepted, Failed, Outcome
from ..endpoints.directory import Directory, Receiver
from ..transport import Failure, Transport, TransportError
from . import outcomes
from .guard import Guard
from .outcomes import Answered, Headers
from .recorder import Recorder
from .work import Attempted, Cancelled, Deferred, Disabled, Entry, Parcel, Released, Stage

log = logs.get(__name__)

OURS_TO_MEND = timedelta(seconds=5)
"""Wait before an attempt that we could not make; it uses up no try."""

_NO_CONTEXT = Context()


class Sender:
    """Makes attempts. `timeout` is the deadline of a whole attempt, in seconds."""

    def __init__(
        self,
        client: Transport,
        directory: Directory,
        guard: Guard,
        recorder: Recorder,
        *,
        timeout: float,
    ) -> None:
        self._client = client
        self._directory = directory
        self._guard = guard
        self._recorder = recorder
        self._timeout = timeout
        self._tracer = traces.tracer()  # kept: making one costs more than a span

    async def send(self, parcel: Parcel) -> None:
        """Attempt a parcel and put the result on record; nothing is posted while the database cannot be reached."""
        if not self._recorder.healthy.is_set():
            await self._recorder.healthy.wait()
        if parcel.stage is not Stage.WAITING:
            return
        parcel.stage = Stage.SENDING
        now = utc_now()
        try:
            receiver = self._admitted(parcel, now)
            if isinstance(receiver, Receiver):
                entry: Entry | Answered = await self._attempt(parcel, receiver, now)
                crashpoint("dispatcher.after-post")
            else:
                entry = receiver
        except Exception:
            log.exception("attempt failed by our own fault", event_id=str(parcel.event.id))
            entry = postponed(parcel, OURS_TO_MEND)
        finally:
            self._guard.ended(parcel)
        self._recorder.put(entry)

    def _admitted(self, parcel: Parcel, now: datetime) -> Receiver | Entry:
        """The receiver as it is now, if it may be sent to; else what becomes of the parcel instead."""
        receiver = self._directory.get(parcel.receiver.id)
        if receiver is None:
            return Cancelled(parcel, parcel.take_arrival())
        if not receiver.active or receiver.key is None:
            return postponed(parcel, OURS_TO_MEND)
        if not self._guard.admits(parcel, receiver, now):
            return postponed(parcel)
        if parcel.claim_until is not None and parcel.claim_until < now + timedelta(seconds=self._timeout):
            return Released(parcel, now)  # it waited here for so long that its claim may end before the answer
        return receiver

    async def _attempt(self, parcel: Parcel, receiver: Receiver, at: datetime) -> Entry | Answered:
        span, trace_id = self._trace(parcel)
        request = parcel.request
        if request is None or request.key is not receiver.key:
            request = parcel.prepared(receiver)
        headers: Headers = request.headers(int(at.timestamp()))
        sent, own = headers, receiver.headers
        if own is not None:
            sent, headers = (*headers, *own.sent), (*headers, *own.shown)
        try:
            if receiver.target is None:
                raise TransportError(Failure.INVALID_URL)  # noqa: TRY301 - it ends like any other attempt
            answer = await self._client.post(receiver.target, sent, request.body, timeout=self._timeout)
        except TransportError as error:
            if error.kind.ours:
                log.warning("attempt could not be made", error=str(error), trace_id=trace_id)
                return postponed(parcel, OURS_TO_MEND)
            result = outcomes.of_failure(error, at, headers, trace_id)
            self._learn(receiver, result.outcome, at)
            _say(parcel, trace_id, error=result.error_code, duration_ms=result.duration_ms)
            return Attempted(parcel, result, parcel.take_arrival())
        finally:
            if span is not None:
                span.end()
        outcome = outcomes.of_answer(answer, receiver.policy)
        self._learn(receiver, outcome, at)
        if not isinstance(outcome, Accepted):
            _say(parcel, trace_id, status=answer.status, duration_ms=round(answer.timings.total * 1000))
        return Answered(parcel, answer, outcome, at, headers, trace_id, parcel.take_arrival())

    def _trace(self, parcel: Parcel) -> tuple[Span | None, str]:
        """The trace that the event came with, or one of its own: a span of it where spans go anywhere, and its id."""
        traceparent = None if parcel.arrival is None else parcel.arrival.traceparent
        if not traces.exported():
            return None, traces.trace_id(traceparent)
        context = traces.extract({"traceparent": traceparent}) if traceparent else _NO_CONTEXT
        span = self._tracer.start_span("webhook attempt", context=context, kind=SpanKind.CLIENT)
        return span, format(span.get_span_context().trace_id, "032x")

    def _learn(self, receiver: Receiver, outcome: Outcome, at: datetime) -> None:
        """Have the next attempts at this endpoint made as this one's outcome suggests; `at` is when it was made."""
        now = at if isinstance(outcome, Accepted) else utc_now()  # nothing is timed by a success
        self._guard.note(receiver, outcome, now)
        if not isinstance(outcome, Failed) and outcome.disables is not None:
            log.info("receiver ended the webhook", endpoint_id=str(receiver.id), reason=str(outcome.disables))
            self._recorder.put(Disabled(receiver.id, receiver.url, outcome.disables, now))


def _say(
    parcel: Parcel, trace_id: str, *, duration_ms: int, status: int | None = None, error: str | None = None
) -> None:
    log.info(
        "attempt failed",
        delivery_id=str(parcel.delivery_id),
        endpoint_id=str(parcel.receiver.id),
        status=status,
        error=error,
        duration_ms=duration_ms,
        trace_id=trace_id,
    )


def postponed(parcel: Parcel, wait: timedelta = timedelta(0)) -> Entry:
    """The entry that leaves a parcel for later without an attempt: a due row, or its claim given back."""
    later = utc_now() + wait
    if parcel.claim_no:
        return Released(parcel, later)
    return Deferred(parcel, later, backlog=not wait, arrival=parcel.take_arrival())
