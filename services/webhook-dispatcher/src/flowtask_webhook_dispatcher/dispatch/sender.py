"""One attempt: sign, post, and put on record what came back."""

from datetime import datetime, timedelta

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from flowtask_kit import logs, traces
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.ids import utc_now

from ..deliveries.models import Accepted, Failed
from ..endpoints.directory import Directory, Receiver
from ..health.tally import Tally
from ..signing import signed_headers
from ..transport import Failure, Transport, TransportError
from . import outcomes
from .guard import Guard
from .recorder import Recorder
from .work import Attempted, Cancelled, Deferred, Disabled, Entry, Parcel, Released, Result, Stage

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
        tally: Tally,
        recorder: Recorder,
        *,
        timeout: float,
    ) -> None:
        self._tally = tally
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
        now = utc_now()
        if not self._guard.admits(parcel, receiver, now):
            return postponed(parcel)
        if parcel.claim_until is not None and parcel.claim_until < now + timedelta(seconds=self._timeout):
            return Released(parcel, now)  # it waited here for so long that its claim may end before the answer
        entry = await self._attempt(parcel, receiver, now)
        crashpoint("dispatcher.after-post")
        return entry

    async def _attempt(self, parcel: Parcel, receiver: Receiver, at: datetime) -> Entry:
        span, trace_id = self._trace(parcel)
        headers, body = self._request(parcel, receiver, int(at.timestamp()))
        sent, own = headers, receiver.headers
        if own is not None:
            sent, headers = [*headers, *own.sent], [*headers, *own.shown]
        try:
            if receiver.target is None:
                raise TransportError(Failure.INVALID_URL)  # noqa: TRY301 - it ends like any other attempt
            answer = await self._client.post(receiver.target, sent, body, timeout=self._timeout)
        except TransportError as error:
            if error.kind.ours:
                log.warning("attempt could not be made", error=str(error), trace_id=trace_id)
                return postponed(parcel, OURS_TO_MEND)
            result = outcomes.of_failure(error, at, headers, trace_id)
        else:
            result = outcomes.of_answer(answer, receiver.policy, at, headers, trace_id)
        finally:
            if span is not None:
                span.end()
        outcomes.count(parcel, result)
        self._learn(receiver, result)
        if not isinstance(result.outcome, Accepted):
            log.info(
                "attempt failed",
                delivery_id=str(parcel.delivery_id),
                endpoint_id=str(receiver.id),
                status=result.status_code,
                error=result.error_code,
                duration_ms=result.duration_ms,
                trace_id=trace_id,
            )
        return Attempted(parcel, result, parcel.take_arrival())

    def _trace(self, parcel: Parcel) -> tuple[Span | None, str]:
        """The trace that the event came with, or one of its own: a span of it where spans go anywhere, and its id."""
        traceparent = None if parcel.arrival is None else parcel.arrival.traceparent
        if not traces.exported():
            return None, traces.trace_id(traceparent)
        context = traces.extract({"traceparent": traceparent}) if traceparent else _NO_CONTEXT
        span = self._tracer.start_span("webhook attempt", context=context, kind=SpanKind.CLIENT)
        return span, format(span.get_span_context().trace_id, "032x")

    def _learn(self, receiver: Receiver, result: Result) -> None:
        """Have the next attempts at this endpoint made as this one's answer suggests."""
        outcome = result.outcome
        accepted = isinstance(outcome, Accepted)
        now = result.at if accepted else utc_now()  # nothing is timed by a success
        self._guard.note(receiver, outcome, now)
        self._tally.note(receiver.id, result.at, result.duration_ms, delivered=accepted)
        if not isinstance(outcome, Failed) and outcome.disables is not None:
            log.info("receiver ended the webhook", endpoint_id=str(receiver.id), reason=str(outcome.disables))
            self._recorder.put(Disabled(receiver.id, receiver.url, outcome.disables, now))

    def _request(self, parcel: Parcel, receiver: Receiver, timestamp: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """The headers and the one buffer that is signed and sent."""
        assert receiver.key is not None
        body = parcel.event.body(parcel.delivery_id, thin=receiver.forms.thin(parcel.event.id))
        headers = signed_headers(
            receiver.key,
            event=parcel.event.type,
            event_id=parcel.event.id,
            delivery_id=parcel.delivery_id,
            timestamp=timestamp,
            body=body,
        )
        return headers, body


def postponed(parcel: Parcel, wait: timedelta = timedelta(0)) -> Entry:
    """The entry that leaves a parcel for later without an attempt: a due row, or its claim given back."""
    later = utc_now() + wait
    if parcel.claim_no:
        return Released(parcel, later)
    return Deferred(parcel, later, backlog=not wait, arrival=parcel.take_arrival())
