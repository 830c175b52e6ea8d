"""OpenTelemetry traces, and the W3C context that crosses the outbox and NATS with a message."""

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_NO_CONTEXT = Context()
_TRACER = trace.get_tracer("flowtask")  # stands for the provider that comes later; asking for it each time is slow


class _Exported:
    anywhere = False


def configure(service: str, endpoint: str | None, *, exporter: SpanExporter | None = None) -> TracerProvider:
    """Make the process's tracer provider; spans go to `endpoint` (OTLP over HTTP) or to the given exporter, or nowhere.

    Ids are made and carried even when nothing is exported, so that logs of all services can be joined; more is not kept then.
    """
    if exporter is None and endpoint is not None:
        # A tenth of a second at each start that most processes do not need.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"flowtask-{service}"}),
        sampler=ALWAYS_OFF if exporter is None else DEFAULT_ON,
    )
    if exporter is not None:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    _Exported.anywhere = exporter is not None
    trace.set_tracer_provider(provider)
    return provider


def exported() -> bool:
    """Whether spans go anywhere; where they do not, a hot loop needs no more of a trace than its id."""
    return _Exported.anywhere


def trace_id(traceparent: str | None) -> str:
    """The id of the trace that a `traceparent` names, or of a new one, as 32 hexadecimal digits."""
    named = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return named[1] if named else f"{random.getrandbits(128):032x}"


def tracer() -> trace.Tracer:
    """The tracer of FlowTask's own spans."""
    return _TRACER


@contextmanager
def serving(name: str, traceparent: str | None) -> Iterator[None]:
    """The span of a request from outside, under the one that it names; where nothing is exported, only its ids."""
    parent = _NO_CONTEXT if traceparent is None else extract({"traceparent": traceparent})
    if _Exported.anywhere:
        with _TRACER.start_as_current_span(name, context=parent, kind=trace.SpanKind.SERVER):
            yield
        return
    above = trace.get_current_span(parent).get_span_context()
    which = above.trace_id if above.is_valid else random.getrandbits(128) or 1
    ids = trace.SpanContext(which, random.getrandbits(64) or 1, is_remote=False, trace_state=above.trace_state)
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(ids), parent))
    try:
        yield
    finally:
        context.detach(token)


def inject(headers: dict[str, str]) -> dict[str, str]:
    """Add the current context's `traceparent` to headers, and return them."""
    _PROPAGATOR.inject(headers)
    return headers


def extract(headers: Mapping[str, str] | None) -> Context:
    """The context that a message's headers carry; an empty one where they carry none."""
    return _PROPAGATOR.extract(headers or {})
